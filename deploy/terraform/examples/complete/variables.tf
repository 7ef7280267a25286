variable "region" {
  description = "Region of everything."
  type        = string
  default     = "us-east-1"
}

variable "name" {
  description = "Name of everything."
  type        = string
  default     = "f2b"
}

variable "scope" {
  description = "REGIONAL; or CLOUDFRONT, with the region us-east-1."
  type        = string
  default     = "REGIONAL"
}

variable "action" {
  description = "block; or count, to look first."
  type        = string
  default     = "block"
}

variable "sets_per_family" {
  description = "Each holds 10,000 addresses."
  type        = number
  default     = 1
}

variable "protected_resource_arn" {
  description = "ARN of your load balancer or API Gateway stage; empty: put the rule group into your own web ACL."
  type        = string
  default     = ""
}

variable "make_web_acl" {
  description = "true for CloudFront: put the output web_acl_arn into the distribution."
  type        = bool
  default     = false
}

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that wakes somebody up; empty: nobody is told."
  type        = string
  default     = ""
}

variable "image" {
  description = "Image of f2b; empty: the workers run elsewhere."
  type        = string
  default     = ""
}

variable "vpc_id" {
  description = "VPC of the workers."
  type        = string
  default     = ""
}

variable "subnet_ids" {
  description = "Subnets of the workers."
  type        = list(string)
  default     = []
}

variable "assign_public_ip" {
  description = "true in public subnets without NAT."
  type        = bool
  default     = false
}

variable "deletion_protection" {
  description = "false, applied once, lets destroy delete the table."
  type        = bool
  default     = true
}
