# The workers on Fargate; none of this without an image.

locals {
  settings = [
    { name = "F2B_QUEUE", value = aws_sqs_queue.queue.name },
    { name = "F2B_TABLE", value = aws_dynamodb_table.table.name },
    { name = "F2B_IP_SET", value = var.name },
    { name = "F2B_SCOPE", value = var.scope },
  ]

  # What both containers have.
  container = {
    image                  = var.image
    user                   = "65532:65532"
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = one(aws_cloudwatch_log_group.workers[*].name)
        awslogs-region        = local.region
        awslogs-stream-prefix = "f2b"
        # A log that is not taken must not stop the worker.
        mode            = "non-blocking"
        max-buffer-size = "4m"
      }
    }
  }

  tasks_of_ecs = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })

  service_dimensions = { ClusterName = var.name, ServiceName = var.name }
}

resource "aws_cloudwatch_log_group" "workers" {
  #checkov:skip=CKV_AWS_158:It is encrypted by a key of CloudWatch Logs. The log holds addresses and no secret.
  #checkov:skip=CKV_AWS_338:You choose how long the log is kept; 90 days by default.
  count = local.has_service ? 1 : 0

  name              = "/f2b/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_ecs_cluster" "workers" {
  count = local.has_service ? 1 : 0

  name = var.name

  # The number of running tasks, which the alarm and the scaling need, is known to Container Insights only.
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_iam_role" "task" {
  count = local.has_service ? 1 : 0

  name_prefix        = "${substr(var.name, 0, 32)}-task-" # IAM takes 38 characters before what is made up
  description        = "What the workers of f2b ${var.name} may do"
  assume_role_policy = local.tasks_of_ecs
}

resource "aws_iam_role_policy_attachment" "task" {
  count = local.has_service ? 1 : 0

  role       = aws_iam_role.task[0].name
  policy_arn = aws_iam_policy.role["worker"].arn
}

resource "aws_iam_role" "execution" {
  count = local.has_service ? 1 : 0

  name_prefix        = "${substr(var.name, 0, 27)}-execution-"
  description        = "What ECS may do to start the workers of f2b ${var.name}"
  assume_role_policy = local.tasks_of_ecs
}

resource "aws_iam_role_policy" "execution" {
  count = local.has_service ? 1 : 0

  name = "start-tasks"
  role = aws_iam_role.execution[0].name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteTheLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/f2b/${var.name}:*"
      },
      # Of no use if the image is in another registry. ECR cannot restrict the token to a resource.
      {
        Sid      = "GetATokenOfEcr"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid      = "PullTheImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = "arn:${local.partition}:ecr:*:*:repository/*"
      },
    ]
  })
}

# Nothing comes in: the health check is asked inside the container.
resource "aws_security_group" "workers" {
  count = local.has_service ? 1 : 0

  name_prefix = "${var.name}-"
  description = "Workers of f2b ${var.name}: out by HTTPS, in by nothing"
  vpc_id      = var.vpc_id

  egress {
    description = "AWS and the registry"
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = ["0.0.0.0/0"]
  }

  egress {
    description      = "The same by IPv6"
    protocol         = "tcp"
    from_port        = 443
    to_port          = 443
    ipv6_cidr_blocks = ["::/0"]
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_ecs_task_definition" "workers" {
  count = local.has_service ? 1 : 0

  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = "512"
  memory                   = "1024"
  task_role_arn            = aws_iam_role.task[0].arn
  execution_role_arn       = aws_iam_role.execution[0].arn

  runtime_platform {
    cpu_architecture        = "X86_64"
    operating_system_family = "LINUX"
  }

  container_definitions = jsonencode([
    # It makes the rows of the table that workers look for, where they are missing, with the worker's permissions.
    merge(local.container, {
      name        = "init"
      essential   = false
      command     = ["f2b", "provision", "--rows-only"]
      environment = local.settings
    }),
    merge(local.container, {
      name        = "worker"
      essential   = true
      command     = ["f2b-worker"]
      dependsOn   = [{ containerName = "init", condition = "SUCCESS" }]
      environment = concat(local.settings, [{ name = "F2B_METRICS_PORT", value = "9100" }])
      # Workers that cannot reach AWS wait half a minute for each of SQS, DynamoDB and WAF at their start.
      healthCheck = {
        command     = ["CMD", "python", "-I", "-m", "f2b_worker.probe"]
        interval    = 30
        timeout     = 6
        startPeriod = 120
        retries     = 2
      }
      # It needs 9 s at most, also while AWS does not answer (docs/operations.md).
      stopTimeout = 30
    }),
  ])
}

resource "aws_ecs_service" "workers" {
  #checkov:skip=CKV_AWS_333:Off by default; without NAT it is the only way to AWS, and the security group lets nobody in.
  count = local.has_service ? 1 : 0

  name                   = var.name
  cluster                = aws_ecs_cluster.workers[0].arn
  launch_type            = "FARGATE"
  platform_version       = "LATEST"
  task_definition        = aws_ecs_task_definition.workers[0].arn
  desired_count          = var.min_workers
  enable_execute_command = false
  propagate_tags         = "SERVICE"

  # ECS's own default for a new service; the provider's is DISABLED.
  availability_zone_rebalancing = "ENABLED"

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    assign_public_ip = var.assign_public_ip
    security_groups  = [aws_security_group.workers[0].id]
    subnets          = var.subnet_ids
  }

  lifecycle {
    # The scaling has it.
    ignore_changes = [desired_count]
  }

  # The sets are there when the first worker looks for them, and it may do what it must.
  depends_on = [
    aws_wafv2_rule_group.rule_group,
    aws_iam_role_policy.execution,
    aws_iam_role_policy_attachment.task,
  ]
}
