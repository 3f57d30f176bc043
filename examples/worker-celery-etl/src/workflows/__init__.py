"""Tasks joined into workflows: started by whoever has the data, never waited for inside a task."""
