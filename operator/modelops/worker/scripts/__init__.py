"""Shell scripts that run in users' containers, under a static busybox."""
