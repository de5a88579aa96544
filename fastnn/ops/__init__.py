"""The ops, one file a family: checks, shapes, what backward needs, the gradient, the public function.

Nothing is re-exported here: ``fastnn``, ``fastnn.nn.functional`` and ``Tensor`` take each name from its family.
"""
