"""Development tools: clusters, images, the demo, and the commands behind the Makefile."""
