"""What the tasks stand on: the Celery application, the settings of the product, its rows."""
