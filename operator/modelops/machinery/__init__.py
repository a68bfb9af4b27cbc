"""What all kinds share: watches, cache, queue, applying, status, Events, leader election and health."""
