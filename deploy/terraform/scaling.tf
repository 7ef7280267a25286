resource "aws_appautoscaling_target" "workers" {
  count = local.has_service ? 1 : 0

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.workers[0].name}/${aws_ecs_service.workers[0].name}"
  min_capacity       = var.min_workers
  max_capacity       = var.max_workers
}

# Messages that wait, for each worker that runs. A message is a pack of infractions.
resource "aws_appautoscaling_policy" "backlog" {
  count = local.has_service ? 1 : 0

  name               = "${var.name}-backlog"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.workers[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.workers[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.workers[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = 2000
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    customized_metric_specification {
      metrics {
        id          = "waiting"
        return_data = false

        metric_stat {
          stat = "Average"

          metric {
            namespace   = "AWS/SQS"
            metric_name = "ApproximateNumberOfMessagesVisible"

            dimensions {
              name  = "QueueName"
              value = aws_sqs_queue.queue.name
            }
          }
        }
      }

      metrics {
        id          = "running"
        return_data = false

        metric_stat {
          stat = "Average"

          metric {
            namespace   = "ECS/ContainerInsights"
            metric_name = "RunningTaskCount"

            dynamic "dimensions" {
              for_each = local.service_dimensions
              content {
                name  = dimensions.key
                value = dimensions.value
              }
            }
          }
        }
      }

      metrics {
        id          = "each"
        expression  = "waiting / running"
        label       = "Messages that wait, for each worker"
        return_data = true
      }
    }
  }
}

# However few they are: what waits for a minute is late.
resource "aws_appautoscaling_policy" "age" {
  count = local.has_service ? 1 : 0

  name               = "${var.name}-age"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.workers[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.workers[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.workers[0].resource_id

  step_scaling_policy_configuration {
    adjustment_type          = "PercentChangeInCapacity"
    min_adjustment_magnitude = 1
    cooldown                 = 180
    metric_aggregation_type  = "Maximum"

    step_adjustment {
      metric_interval_lower_bound = 0
      scaling_adjustment          = 100
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "late_messages" {
  count = local.has_service ? 1 : 0

  alarm_name          = "${var.name}-scale-out"
  alarm_description   = "Infractions wait for a minute: more workers come. This is no matter for people."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.queue.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 60
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_appautoscaling_policy.age[0].arn]
}
