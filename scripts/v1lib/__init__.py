"""What the steps of the workflow share: data, models, training, metrics, simulation, plotting."""
