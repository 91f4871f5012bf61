"""What the templates of pages use."""
