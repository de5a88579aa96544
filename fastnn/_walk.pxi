# The backward walk. Nodes are run from the newest to the oldest: whatever uses a node's output was recorded after
# it, so when a node is the newest that has a gradient waiting, all its gradients have arrived. No recursion, no
# counting pass. Leaves get their summed gradients at the end, so that a walk that fails has changed none.
from heapq import heappop, heappush


cdef int add_into(list slots, int index, TensorBase gradient, bint create_graph) except -1:
    """Adds gradient to slots[index]: by reference first, then in a buffer of the walk's own."""
    cdef TensorBase held = <TensorBase>slots[index]
    if held is None:
        slots[index] = gradient
    elif held.scratch and not create_graph and cnp.PyArray_TYPE(held.array) == cnp.PyArray_TYPE(gradient.array):
        np.add(held.array, gradient.array, out=held.array)
    else:
        held = held + gradient
        held.scratch = not create_graph
        slots[index] = held
    return 0


cdef TensorBase run_hooks(object hooks, TensorBase gradient):
    for hook in list(hooks.values()):
        changed = hook(gradient)
        if changed is not None:
            if not isinstance(changed, TensorBase):
                raise TypeError(f"a gradient hook must return a Tensor or None, got {type(changed).__name__}")
            if not cnp.PyArray_SAMESHAPE((<TensorBase>changed).array, gradient.array):
                raise RuntimeError("a gradient hook has changed the size of the gradient: expected "
                                   f"{shape_of(gradient.array)}, got {shape_of((<TensorBase>changed).array)}")
            gradient = <TensorBase>changed
    return gradient


cdef bint sole_memory(cnp.ndarray array):
    """Whether nothing else sees the memory of an array: its own, or all of another's that only this reshapes."""
    if not cnp.PyArray_CHKFLAGS(array, cnp.NPY_ARRAY_CARRAY):
        return False
    if cnp.PyArray_CHKFLAGS(array, cnp.NPY_ARRAY_OWNDATA):
        return True
    cdef PyObject *base = <PyObject *>cnp.PyArray_BASE(array)
    if base == NULL or not cnp.PyArray_CheckExact(<object>base) or Py_REFCNT(base) != 1:
        return False
    cdef cnp.ndarray whole = <cnp.ndarray>base
    return cnp.PyArray_CHKFLAGS(whole, cnp.NPY_ARRAY_OWNDATA) and cnp.PyArray_NBYTES(whole) == cnp.PyArray_NBYTES(array)


cdef int keep_gradient(TensorBase tensor, TensorBase gradient, bint create_graph) except -1:
    """tensor.grad += gradient; an array that nothing else refers to becomes the gradient without a copy."""
    cdef TensorBase held = <TensorBase>tensor.gradient
    cdef bint sole
    if held is not None:
        if create_graph or not cnp.PyArray_CHKFLAGS(held.array, cnp.NPY_ARRAY_WRITEABLE):
            tensor.gradient = held + gradient
        else:
            np.add(held.array, gradient.array, out=held.array)
            held.counter.value += 1
        return 0
    if create_graph:
        tensor.gradient = gradient
        return 0
    # Only the walk refers to the tensor, only the tensor to the array, and only the array to its memory.
    sole = Py_REFCNT(<PyObject *>gradient) == 1 and Py_REFCNT(<PyObject *>gradient.array) == 1 and sole_memory(gradient.array)
    if sole and gradient.base is None and gradient.node is None:
        held = fresh(tensor_type, gradient.array)
    else:
        held = <TensorBase>gradient.detach().clone()
    held.is_inference_tensor = False
    tensor.gradient = held
    return 0


cdef object reachable(list roots, set wanted, bint cut):
    """The nodes on some path from a root to a wanted leaf or (node, index): the others need not run.

    cut: paths end at the first wanted place.
    """
    cdef set useful = set()
    cdef set seen = set()
    cdef list stack = list(roots)
    cdef Node node
    while stack:
        node = <Node>stack[len(stack) - 1]
        if node not in seen:
            seen.add(node)
            for i, target in enumerate(node.targets):
                if not isinstance(target, Node) or target in seen:
                    continue
                if cut and (target, 0 if node.indices is None else node.indices[i]) in wanted:
                    continue
                stack.append(target)
            continue
        stack.pop()
        for i, target in enumerate(node.targets):
            if target is None:
                continue
            index = 0 if node.indices is None else node.indices[i]
            if target in useful or (target in wanted if isinstance(target, TensorBase) else (target, index) in wanted):
                useful.add(node)
                break
    return useful


def run_backward(tuple roots, tuple gradients, bint retain_graph, bint create_graph, tuple inputs=None,
                 bint accumulate=True, bint cut=False):
    """Walks back from roots, whose gradients are given. Returns the gradients of inputs, None where unreached.

    accumulate: add to the .grad of leaves (of inputs alone, where they are given). retain_graph: keep what the
    nodes saved. create_graph: record the walk. cut: the walk ends at inputs, so that what it gives for one of them
    leaves out what comes through another; their hooks are left to whoever goes on from there.
    """
    cdef dict waiting = {}        # node -> a gradient for each of its outputs
    cdef dict leaves = {}         # leaf -> [its gradient]
    cdef dict captured = {}       # (node, index) that inputs ask for -> gradient
    cdef list heap = []
    cdef set wanted = None
    cdef object useful = None
    cdef TensorBase root, gradient, leaf
    cdef Node node
    cdef list slots
    cdef int i, index
    cdef bint asked
    cdef bint previous = grad_mode

    for item in roots:
        current(<TensorBase>item)
    if inputs is not None:
        wanted = set()
        for item in inputs:
            leaf = <TensorBase>item
            current(leaf)
            wanted.add(leaf if leaf.node is None else (leaf.node, leaf.index))
        useful = reachable([(<TensorBase>item).node for item in roots if (<TensorBase>item).node is not None], wanted, cut)
    for i in range(len(roots)):
        root = <TensorBase>roots[i]
        deliver(root.node if root.node is not None else root, root.index, <TensorBase>gradients[i], waiting, leaves, heap,
                create_graph)
    set_grad_mode(create_graph)
    try:
        while heap:
            node = <Node>heappop(heap)[1]
            slots = <list>waiting.pop(node)
            for i in range(len(slots)):
                gradient = <TensorBase>slots[i]
                if gradient is None:
                    continue
                asked = wanted is not None and (node, i) in wanted
                if useful is not None and not asked and node not in useful:
                    continue   # it leads to nothing that was asked for
                gradient.scratch = False
                if node.hooks is not None and i in node.hooks and not (cut and asked):
                    gradient = run_hooks(node.hooks[i], gradient)
                    slots[i] = gradient
                if node.retained is not None and i in node.retained:
                    leaf = <TensorBase>node.retained[i]()
                    if leaf is not None and accumulate:
                        keep_gradient(leaf, gradient, create_graph)
                if asked:
                    captured[(node, i)] = gradient
            if useful is not None and node not in useful:
                continue
            run_node(node, slots, waiting, leaves, heap, create_graph)
            if not retain_graph:
                node.release()
            slots = gradient = None   # keep_gradient below counts references
        for key in list(leaves):
            leaf = <TensorBase>key
            if wanted is not None and leaf not in wanted:
                continue
            slots = <list>leaves.pop(leaf)
            gradient = <TensorBase>slots[0]
            slots = None
            if leaf.hooks is not None and not cut:
                gradient = run_hooks(leaf.hooks, gradient)
            if accumulate:
                keep_gradient(leaf, gradient, create_graph)
                if leaf.after_hooks is not None:
                    for hook in list(leaf.after_hooks.values()):
                        hook(leaf)
            else:
                captured[leaf] = gradient
    finally:
        set_grad_mode(previous)
    if inputs is None:
        return None
    if accumulate:
        for item in inputs:
            leaf = <TensorBase>item
            if leaf.node is not None and not leaf.keeps_grad and (leaf.node, leaf.index) in captured:
                keep_gradient(leaf, <TensorBase>captured[(leaf.node, leaf.index)], create_graph)
    return tuple([captured.get(leaf if (<TensorBase>leaf).node is None else ((<TensorBase>leaf).node, (<TensorBase>leaf).index))
                  for leaf in inputs])


cdef int run_node(Node node, list slots, dict waiting, dict leaves, list heap, bint create_graph) except -1:
    cdef Py_ssize_t i
    if node.released:
        node.entries()   # raises, with the reason
    try:
        if node.before is not None:
            slots = list(run_node_hooks(node, node.before, (tuple(slots),), "register_prehook"))
        if node.outputs == 1:
            result = node.backward(node, slots[0])
        else:
            result = node.backward(node, *slots)
        if anomaly_nan:
            refuse_nan(node, result)
        if node.after is not None:
            result = run_node_hooks(node, node.after, (result if type(result) is tuple else (result,), tuple(slots)),
                                    "register_hook")
    except Exception as error:
        if node.trace is not None:
            note_forward(error, node)
        raise
    if type(result) is not tuple:
        if result is not None:
            deliver(node.targets[0], 0 if node.indices is None else node.indices[0], <TensorBase>result, waiting, leaves, heap,
                    create_graph)
        return 0
    for i in range(len(<tuple>result)):
        item = (<tuple>result)[i]
        if item is not None:
            deliver(node.targets[i], 0 if node.indices is None else node.indices[i], <TensorBase>item, waiting, leaves, heap,
                    create_graph)
    return 0


cdef int deliver(object target, int index, TensorBase gradient, dict waiting, dict leaves, list heap, bint create_graph) except -1:
    cdef list slots
    if target is None:
        return 0
    if isinstance(target, Node):
        slots = <list>waiting.get(target)
        if slots is None:
            slots = [None] * (<Node>target).outputs
            waiting[target] = slots
            heappush(heap, (-(<Node>target).sequence, target))
        add_into(slots, index, gradient, create_graph)
        return 0
    slots = <list>leaves.get(target)
    if slots is None:
        slots = [None]
        leaves[target] = slots
    add_into(slots, 0, gradient, create_graph)
    return 0


cdef tuple run_node_hooks(Node node, object hooks, tuple arguments, str kind):
    """Calls the hooks; what one returns takes the place of the first argument."""
    for hook in list(hooks.values()):
        changed = hook(*arguments)
        if changed is None:
            continue
        changed = (changed,) if isinstance(changed, TensorBase) else tuple(changed)
        if len(changed) != len(arguments[0]):
            raise RuntimeError(f"{node._name}: a hook of {kind} returned an incorrect number of values: expected "
                               f"{len(arguments[0])}, got {len(changed)}")
        arguments = (changed,) + arguments[1:]
    return arguments[0]


cdef int refuse_nan(Node node, object result) except -1:
    for i, gradient in enumerate(result if type(result) is tuple else (result,)):
        if gradient is not None and is_floating((<TensorBase>gradient).array) and np.isnan((<TensorBase>gradient).array).any():
            raise RuntimeError(f"Function '{node._name}' returned nan values in its {i}th output.")
    return 0


cdef note_forward(object error, Node node):
    """In anomaly mode: appends to the error's text where the op that failed was called."""
    error.args = (f"{error}\nThe op that failed backward, {node._name}, was called here:\n{node.trace}",) + tuple(error.args[1:])
