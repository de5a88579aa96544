# Nodes: what an op leaves on the tape, and what stands for a leaf at the tape's end.

cdef class Node:
    """One recorded op: how to turn the gradients of its outputs into those of its inputs."""
    cdef str _name
    cdef object backward
    cdef tuple targets            # an input: None, the leaf TensorBase, or the Node that made it
    cdef tuple indices            # which output of a target; None where all are the first
    cdef tuple saved_entries
    cdef readonly object extra
    cdef readonly long long sequence
    cdef int outputs
    cdef bint released
    cdef dict hooks               # output -> {id: hook}
    cdef dict retained            # output -> weak reference to the tensor whose .grad is kept
    cdef public object trace      # where the forward call stood, in anomaly mode
    cdef object before            # hooks of the node itself, OrderedDict or None
    cdef object after
    cdef dict notes               # metadata
    cdef object __weakref__

    def name(self):
        return self._name

    @property
    def metadata(self):
        """A dict for whatever a user wants to note."""
        if self.notes is None:
            self.notes = {}
        return self.notes

    def _sequence_nr(self):
        return self.sequence

    def register_hook(self, fn):
        """fn(grad_inputs, grad_outputs), after the node has run; a tuple that it returns replaces grad_inputs."""
        if self.after is None:
            self.after = OrderedDict()
        return add_hook(self.after, fn)

    def register_prehook(self, fn):
        """fn(grad_outputs), before the node runs; a tuple that it returns replaces grad_outputs."""
        if self.before is None:
            self.before = OrderedDict()
        return add_hook(self.before, fn)

    def __repr__(self):
        return f"<{self._name} object at {hex(id(self))}>"

    @property
    def needs(self):
        """For each input, whether its gradient is wanted."""
        return tuple([target is not None for target in self.targets])

    @property
    def saved(self):
        """The saved tensors, the output last where it was saved."""
        return tuple([None if entry is None else self.unpack(entry) for entry in self.entries()])

    @property
    def arrays(self):
        """The saved tensors' arrays: for kernels, that record nothing."""
        cdef Saved entry
        cdef list out = []
        for item in self.entries():
            entry = <Saved>item
            if entry is None:
                out.append(None)
            else:
                self.check_version(entry)
                out.append(entry.array if entry.unpacker is None else unpacked(entry).array)
        return out

    cdef tuple entries(self):
        if self.released:
            raise RuntimeError("Trying to backward through the graph a second time (or directly access saved tensors "
                               "after they have already been freed). Saved intermediate values of the graph are freed "
                               "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need "
                               "to backward through the graph a second time or if you need to access saved tensors "
                               "after calling backward.")
        return self.saved_entries

    cdef int check_version(self, Saved entry) except -1:
        if entry.unpacker is None and entry.counter.value != entry.version:
            raise RuntimeError("one of the variables needed for gradient computation has been modified by an inplace "
                               f"operation: [{entry.array.dtype} {list(shape_of(entry.array))}], saved by {self._name}, "
                               f"is at version {entry.counter.value}; expected version {entry.version} instead.")
        return 0

    cdef TensorBase unpack(self, Saved entry):
        cdef TensorBase out
        self.check_version(entry)
        if entry.leaf is not None and (entry.unpacker is None or grad_mode):
            return entry.leaf
        if entry.unpacker is not None:
            out = unpacked(entry)
        else:
            out = instance(tensor_type)
            out.array = entry.array
            out.counter = entry.counter
        out.node = self if entry.is_output else entry.node
        out.index = entry.index
        return out

    cdef void release(self):
        self.saved_entries = NOTHING
        self.released = True

    cdef object hook_table(self, int index):
        if self.hooks is None:
            self.hooks = {}
        if index not in self.hooks:
            self.hooks[index] = OrderedDict()
        return self.hooks[index]

    cdef retain(self, TensorBase tensor):
        from weakref import ref
        if self.retained is None:
            self.retained = {}
        self.retained[tensor.index] = ref(tensor)

    @property
    def next_functions(self):
        """The edges: for each input, the node that made it (or AccumulateGrad of a leaf) and which output."""
        cdef list edges = []
        for i, target in enumerate(self.targets):
            if isinstance(target, TensorBase):
                target = AccumulateGrad(target)
            edges.append((target, 0 if self.indices is None else self.indices[i]))
        return tuple(edges)


cdef object add_hook(object table, object hook):
    from fastnn.utils.hooks import RemovableHandle
    handle = RemovableHandle(table)
    table[handle.id] = hook
    return handle


class AccumulateGrad:
    """Stands at the end of an edge that leads to a leaf."""
    __slots__ = ("metadata", "variable")
    next_functions = ()

    def __init__(self, variable):
        self.variable = variable
        self.metadata = {}

    def __eq__(self, other):
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self):
        return hash((AccumulateGrad, id(self.variable)))

    def name(self):
        return "AccumulateGrad"

    def register_prehook(self, fn):
        """fn(grad_outputs), before the leaf's gradient is accumulated; a tuple that it returns replaces them."""
        def hook(gradient):
            changed = fn((gradient,))
            return None if changed is None else changed[0]
        return self.variable.register_hook(hook)
