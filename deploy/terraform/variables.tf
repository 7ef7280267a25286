# One to one with the parameters of deploy/cloudformation/f2b.yaml, with the same defaults.

variable "name" {
  description = "Name of the queue, the table, the rule group and the rest; the IP sets are NAME-ipv4 and NAME-ipv6. Several environments in one account take several names."
  type        = string
  default     = "f2b"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,39}$", var.name))
    error_message = "A name has 1 to 40 characters: lower-case letters, digits and hyphens, and it begins with a letter."
  }
}

variable "scope" {
  description = "REGIONAL for load balancers, API Gateway stages and their like; CLOUDFRONT for CloudFront, with a provider of us-east-1."
  type        = string
  default     = "REGIONAL"
  nullable    = false

  validation {
    condition     = contains(["REGIONAL", "CLOUDFRONT"], var.scope)
    error_message = "The scope is REGIONAL or CLOUDFRONT."
  }
}

variable "action" {
  description = "What becomes of a request from a banned address: block, count, captcha or challenge. Take count to try f2b first."
  type        = string
  default     = "block"
  nullable    = false

  validation {
    condition     = contains(["block", "count", "captcha", "challenge"], var.action)
    error_message = "The action is block, count, captcha or challenge."
  }
}

variable "sets_per_family" {
  description = "IP sets for IPv4, and as many for IPv6. Each holds 10,000 addresses. WAF allows 100 in an account and Region."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([1, 2, 3, 4, 5], var.sets_per_family)
    error_message = "There are 1 to 5 IP sets a family."
  }
}

variable "protected_resource_arn" {
  description = "ARN of a load balancer or an API Gateway stage, known before the apply. The module makes a web ACL with the rule group and gives it to that resource. A resource has one web ACL: this takes the place of the one that it has. Empty: none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.protected_resource_arn == "" || (startswith(var.protected_resource_arn, "arn:") && var.scope == "REGIONAL")
    error_message = "It is an ARN, and the scope is REGIONAL: a CloudFront distribution names its web ACL itself (output web_acl_arn, with make_web_acl = true)."
  }
}

variable "make_web_acl" {
  description = "Make a web ACL with the rule group in any case: for CloudFront, or to give it to a resource yourself (output web_acl_arn)."
  type        = bool
  default     = false
  nullable    = false
}

variable "alarm_topic_arn" {
  description = "ARN of an SNS topic that the alarms tell. Empty: the alarms only change their colour."
  type        = string
  default     = ""
  nullable    = false
}

variable "image" {
  description = "Image of f2b for the ECS service. Empty: no service; the workers run elsewhere."
  type        = string
  default     = ""
  nullable    = false
}

variable "vpc_id" {
  description = "VPC of the ECS service; needed with an image."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.image == "" || var.vpc_id != ""
    error_message = "The ECS service needs vpc_id."
  }
}

variable "subnet_ids" {
  description = "Subnets of the ECS service, from which AWS can be reached; needed with an image."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = var.image == "" || length(var.subnet_ids) > 0
    error_message = "The ECS service needs subnet_ids."
  }
}

variable "assign_public_ip" {
  description = "Give each worker a public address. Needed in subnets that have an internet gateway and no NAT, such as those of a default VPC. Nobody can connect to it."
  type        = bool
  default     = false
  nullable    = false
}

variable "min_workers" {
  description = "Workers that always run. Never 0: without a worker nobody is banned, and nobody is let go."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.min_workers >= 1 && var.min_workers <= var.max_workers
    error_message = "At least one worker always runs, and min_workers is not more than max_workers."
  }
}

variable "max_workers" {
  description = "Workers under the heaviest attack."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.max_workers >= 1
    error_message = "There is at least one worker."
  }
}

variable "log_retention_days" {
  description = "Days for which CloudWatch Logs keeps the log: 1, 3, 5, 7, 14, 30, 60, 90 … as CloudWatch has them."
  type        = number
  default     = 90
  nullable    = false
}

variable "deletion_protection" {
  description = "Protect the table from being deleted: it holds every ban. To destroy everything, apply false first."
  type        = bool
  default     = true
  nullable    = false
}
