# Views changed in place.
#
# A view and its base share memory, so that a change of one is a change of the other. The base of a view that was
# changed becomes the output of a node CopySlices: its old values where the view does not reach, the view's new ones
# where it does. A view whose base (or sister) was changed gets a node anew when it is next looked at: the part of the
# base that its strides name.

cdef object view_layout = None      # (base's array, view's array) -> how the view lies in its base
cdef object copy_slices_backward = None
cdef object as_strided_backward = None


def set_view_functions(layout, copy_slices, as_strided):
    """What fastnn.ops.strided knows of views: their layout in a base, and the gradients of the two nodes."""
    global view_layout, copy_slices_backward, as_strided_backward
    view_layout, copy_slices_backward, as_strided_backward = layout, copy_slices, as_strided


cdef inline int current(TensorBase tensor) except -1:
    """A view's place on the tape is looked up again where its memory was changed since."""
    if tensor.base is not None and tensor.node_version != tensor.counter.value:
        refresh(tensor)
    return 0


cdef int refresh(TensorBase view) except -1:
    cdef TensorBase base = view.base
    if not view.apart and base.node is not None and is_floating(view.array):
        view.node = make_node("AsStridedBackward0", as_strided_backward, (base,), view_layout(base.array, view.array), 1)
        view.index = 0
        view.wants_grad = False
        view.keeps_grad = False
    view.node_version = view.counter.value
    return 0


cdef int take_place(TensorBase target, Node node, int index, bint bump=True) except -1:
    """target's memory was changed: output index of node is what it holds now."""
    cdef TensorBase base = target.base
    cdef TensorBase place
    target.counter.value += bump
    if base is not None:
        place = instance(tensor_type)     # stands for the output of node among the inputs of CopySlices
        place.node = node
        place.index = index
        base.node = make_node("CopySlices", copy_slices_backward, (base, place), view_layout(base.array, target.array), 1)
        base.index = 0
        base.wants_grad = False
        base.keeps_grad = False
    target.node = node
    target.index = index
    target.node_version = target.counter.value
    target.wants_grad = False
    target.keeps_grad = False
    return 0


def bump_version(TensorBase tensor not None):
    """Says that tensor's memory was changed outside the tape."""
    tensor.counter.value += 1


def bump_versions(list tensors not None):
    """bump_version for each of many tensors."""
    cdef TensorBase tensor
    for tensor in tensors:
        tensor.counter.value += 1
