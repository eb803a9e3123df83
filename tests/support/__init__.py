"""What every suite under tests/ shares: real processes, a small SQS client, and the checker of histories."""
