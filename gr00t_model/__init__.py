"""What has weights: policy, FLARE, training, evaluation."""
