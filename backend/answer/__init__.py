"""From what a user gives (a photo, a label map, attributes) to latents of heads that meet it."""
