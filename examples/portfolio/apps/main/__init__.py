"""The site itself: projects, a contact form, and the work behind them."""
