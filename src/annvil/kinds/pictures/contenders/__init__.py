"""Who competes on pictures: models on pixels and gradients, convolutional networks, networks that go on from others."""
