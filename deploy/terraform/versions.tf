terraform {
  # What validation of variables needs to look at each other.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # Tested with 5.100.0; no lower version was tried, and no 6.
      version = ">= 5.100.0"
    }
  }
}
