output "queue_url" {
  description = "For producers: F2B_QUEUE."
  value       = module.f2b.queue_url
}

output "f2b" {
  description = "All that the module answers."
  value       = module.f2b
}
