"""A simulation of autoscaling: the same arrivals under Celeriac's decision, Celery's autoscaler and KEDA's rule."""
