# One policy for each role, with what the role needs and nothing else. The files are those of docs/iam, to the letter;
# the words in capitals are filled in here. A name of f2b has no capitals, so it is never taken for one of them.

locals {
  roles = {
    producer  = "applications that report infractions"
    worker    = "workers of a fleet"
    judge     = "workers that judge and enforce nothing"
    enforcer  = "a worker that enforces and judges nothing"
    shim      = "f2b-shim"
    read      = "people who look"
    operator  = "people who ban, lift, allow, pause and reload"
    dashboard = "people who run f2b dashboard, and, beside their own, workers with --http-port"
  }

  # Terraform has no loop over a text: each step takes the text of the step before.
  policies_0 = { for role, _ in local.roles : role => file("${path.module}/policies/${role}.json") }
  policies_1 = { for role, text in local.policies_0 : role => replace(text, "arn:aws:", "arn:${local.partition}:") }
  policies_2 = { for role, text in local.policies_1 : role => replace(text, "/\\bWAF_REGION\\b/", local.region) }
  policies_3 = { for role, text in local.policies_2 : role => replace(text, "/\\bREGION\\b/", local.region) }
  policies_4 = { for role, text in local.policies_3 : role => replace(text, "/\\bACCOUNT\\b/", local.account) }
  policies_5 = { for role, text in local.policies_4 : role => replace(text, "/\\bSCOPE\\b/", local.folder) }
  policies = {
    for role, text in local.policies_5 : role => replace(text, "/\\b(QUEUE|TABLE|IP_SET|RULE_GROUP)\\b/", var.name)
  }

  # How an ARN of WAF says the scope.
  folder = var.scope == "CLOUDFRONT" ? "global" : "regional"
}

resource "aws_iam_policy" "role" {
  for_each = local.roles

  name_prefix = "${var.name}-${each.key}-"
  description = "f2b ${var.name}: ${each.value}"
  policy      = local.policies[each.key]
}
