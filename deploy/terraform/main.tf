# f2b: fail2ban for a fleet. Queue, table, IP sets, rule group, policies and alarms; if you like, a web ACL, and the
# workers as an ECS service. docs/how-to/terraform.md says how to use it.
#
# Names, numbers and rules are those of `f2b provision` and of deploy/cloudformation/f2b.yaml; tests/deploy holds all
# three to one description. The rows of the table (its format, the ban log) are not made here: `f2b provision
# --rows-only` makes them before the first worker starts. The ECS service does that by itself.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id

  has_service = var.image != ""
}
