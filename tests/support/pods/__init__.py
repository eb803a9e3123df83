"""What Kubernetes does to pods, acted out with processes: names, addresses, probes, hooks, grace, volumes."""
