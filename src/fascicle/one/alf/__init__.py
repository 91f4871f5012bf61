"""The module paths of ``one.alf``, on top of :mod:`fascicle.alf` and :mod:`fascicle.load`."""
