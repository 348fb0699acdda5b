"""What the terminal itself needs: cell differences, ASCII fallback, images, notifications, and an external editor."""
