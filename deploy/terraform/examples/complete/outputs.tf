output "f2b" {
  description = "All that the module answers."
  value       = module.f2b
}
