"""Pictures of the Mandelbrot set: heavy tasks compute them, light tasks publish them."""
