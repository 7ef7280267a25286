output "queue_url" {
  description = "URL of the queue, for producers, the shim and workers: F2B_QUEUE."
  value       = aws_sqs_queue.queue.url
}

output "queue_arn" {
  description = "ARN of the queue."
  value       = aws_sqs_queue.queue.arn
}

output "dead_letter_queue_url" {
  description = "URL of the dead-letter queue."
  value       = aws_sqs_queue.dead_letters.url
}

output "table_name" {
  description = "Name of the table: F2B_TABLE."
  value       = aws_dynamodb_table.table.name
}

output "table_arn" {
  description = "ARN of the table."
  value       = aws_dynamodb_table.table.arn
}

output "ip_set_arns" {
  description = "ARNs of the IP sets, by the end of their names: ipv4, ipv6, ipv4-2 …"
  value       = { for name, each in aws_wafv2_ip_set.ip_set : name => each.arn }
}

output "rule_group_arn" {
  description = "ARN of the rule group, for a rule of your own web ACL."
  value       = aws_wafv2_rule_group.rule_group.arn
}

output "web_acl_arn" {
  description = "ARN of the web ACL; empty if the module made none."
  value       = local.has_web_acl ? aws_wafv2_web_acl.web_acl[0].arn : ""
}

output "service_name" {
  description = "Name of the ECS service, and of its cluster; empty without an image."
  value       = local.has_service ? aws_ecs_service.workers[0].name : ""
}

output "log_group_name" {
  description = "Log group of the workers; empty without an image."
  value       = local.has_service ? aws_cloudwatch_log_group.workers[0].name : ""
}

output "producer_policy_arn" {
  description = "Policy for applications that report infractions."
  value       = aws_iam_policy.role["producer"].arn
}

output "worker_policy_arn" {
  description = "Policy for workers of a fleet."
  value       = aws_iam_policy.role["worker"].arn
}

output "judge_policy_arn" {
  description = "Policy for workers that judge and enforce nothing."
  value       = aws_iam_policy.role["judge"].arn
}

output "enforcer_policy_arn" {
  description = "Policy for a worker that enforces and judges nothing."
  value       = aws_iam_policy.role["enforcer"].arn
}

output "shim_policy_arn" {
  description = "Policy for f2b-shim."
  value       = aws_iam_policy.role["shim"].arn
}

output "read_policy_arn" {
  description = "Policy for people who look."
  value       = aws_iam_policy.role["read"].arn
}

output "operator_policy_arn" {
  description = "Policy for people who ban, lift, allow, pause and reload."
  value       = aws_iam_policy.role["operator"].arn
}

output "dashboard_policy_arn" {
  description = "Policy for people who run f2b dashboard, and, beside their own, workers with --http-port."
  value       = aws_iam_policy.role["dashboard"].arn
}
