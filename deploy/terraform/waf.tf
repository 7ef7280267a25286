locals {
  families = { ipv4 = "IPV4", ipv6 = "IPV6" }

  # ipv4, ipv4-2, ipv4-3 …, and the same of ipv6: the worker finds the sets by these names.
  ip_sets = merge([
    for family, version in local.families : {
      for number in range(1, var.sets_per_family + 1) :
      number == 1 ? family : "${family}-${number}" => version
    }
  ]...)

  has_web_acl = var.make_web_acl || var.protected_resource_arn != ""

  # A rule that counts ends nothing, so it stands first; of two that end it, the harder one does.
  priorities = { count = 0, block = 100, captcha = 200, challenge = 300 }
}

resource "aws_wafv2_ip_set" "ip_set" {
  for_each = local.ip_sets

  name               = "${var.name}-${each.key}"
  description        = "Active bans, kept by f2b"
  scope              = var.scope
  ip_address_version = each.value
  addresses          = []

  lifecycle {
    # The worker that enforces owns them: without this, every apply would let everybody go.
    ignore_changes = [addresses]

    # Of fewer sets, the rule lets go before they are deleted: WAF deletes none that a rule refers to.
    create_before_destroy = true

    precondition {
      condition     = var.scope == "REGIONAL" || local.region == "us-east-1"
      error_message = "WAF keeps what is for CloudFront in us-east-1. Give the module a provider of that Region."
    }
  }
}

# By this description f2b provision knows the group as its own, and adds a rule for each further blocklist.
resource "aws_wafv2_rule_group" "rule_group" {
  name        = var.name
  description = "Refers to the IP sets of f2b, made by f2b provision"
  scope       = var.scope
  capacity    = 50 # one for each set that it may refer to now or later; it can never be changed

  rule {
    name     = "f2b-block"
    priority = local.priorities[var.action]

    action {
      dynamic "block" {
        for_each = var.action == "block" ? [1] : []
        content {}
      }
      dynamic "count" {
        for_each = var.action == "count" ? [1] : []
        content {}
      }
      dynamic "captcha" {
        for_each = var.action == "captcha" ? [1] : []
        content {}
      }
      dynamic "challenge" {
        for_each = var.action == "challenge" ? [1] : []
        content {}
      }
    }

    statement {
      or_statement {
        dynamic "statement" {
          for_each = aws_wafv2_ip_set.ip_set
          content {
            ip_set_reference_statement {
              arn = statement.value.arn
            }
          }
        }
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "f2b-block"
      sampled_requests_enabled   = true
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name
    sampled_requests_enabled   = true
  }
}

resource "aws_wafv2_web_acl" "web_acl" {
  #checkov:skip=CKV_AWS_192:This web ACL holds what f2b bans, and nothing else. AWS's managed groups go into a web ACL of your own.
  #checkov:skip=CKV2_AWS_31:A log of all requests costs by the request, and f2b does not read it. Switch it on where you want it.
  count = local.has_web_acl ? 1 : 0

  name        = var.name
  description = "Lets in whom f2b has not banned"
  scope       = var.scope

  default_action {
    allow {}
  }

  rule {
    name     = var.name
    priority = 0

    override_action {
      none {}
    }

    statement {
      rule_group_reference_statement {
        arn = aws_wafv2_rule_group.rule_group.arn
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = var.name
      sampled_requests_enabled   = true
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name
    sampled_requests_enabled   = true
  }
}

resource "aws_wafv2_web_acl_association" "web_acl" {
  count = var.protected_resource_arn == "" ? 0 : 1

  resource_arn = var.protected_resource_arn
  web_acl_arn  = aws_wafv2_web_acl.web_acl[0].arn
}
