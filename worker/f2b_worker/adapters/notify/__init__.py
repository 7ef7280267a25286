"""Where notices go: SNS, EventBridge, a webhook, a command, and by Apprise anything else."""
