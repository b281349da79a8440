"""What training data do to a policy: small policies trained in the simulator, arm against arm, over several seeds."""
