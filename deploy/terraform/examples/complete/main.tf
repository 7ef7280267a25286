# All that a fleet needs in one Region. Copy it, and give what is asked for in variables.tf.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0"
    }
  }
}

provider "aws" {
  region = var.region
}

module "f2b" {
  # Outside of this repository: "git::https://YOUR-GIT/f2b.git//deploy/terraform?ref=v0.2.0"
  source = "../.."

  name                   = var.name
  scope                  = var.scope
  action                 = var.action
  sets_per_family        = var.sets_per_family
  protected_resource_arn = var.protected_resource_arn
  make_web_acl           = var.make_web_acl
  alarm_topic_arn        = var.alarm_topic_arn

  # The workers, on Fargate. Leave these out if they run elsewhere.
  image            = var.image
  vpc_id           = var.vpc_id
  subnet_ids       = var.subnet_ids
  assign_public_ip = var.assign_public_ip
  min_workers      = 2
  max_workers      = 10

  log_retention_days  = 90
  deletion_protection = var.deletion_protection
}
