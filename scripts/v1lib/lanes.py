"""Short float32 vectors ("lanes") inside numba kernels.

Whether the compiler turns a loop over channels into vector instructions depends on alias checks
and cost models; for the small fixed sizes of a convolution layer it mostly does not, at 3 to 10
times the cost. These functions state the vectors instead: `width` float32 values are loaded,
combined and stored as one LLVM vector, which every processor that LLVM knows can execute (in parts
where its registers are shorter). For compiled code only; `width` and `count` must be compile-time
constants (closure variables or literals), arrays flat float32. Indices are not checked.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import PrimitiveModel, register_default
from numba.extending import intrinsic

FLOAT = ir.FloatType()
BYTES_PER_FLOAT = 4
# a * b + c may be contracted to one rounding, as in every optimised convolution.
CONTRACT = ("contract",)


class Lanes(types.Type):
    """Numba type of a vector of `width` float32 values."""

    def __init__(self, width):
        self.width = width
        super().__init__(name=f"Lanes({width})")


class Registers(types.Type):
    """Numba type of `count` vectors of `width` float32 values."""

    def __init__(self, count, width):
        self.count, self.width = count, width
        super().__init__(name=f"Registers({count}, {width})")


@register_default(Lanes)
class _LanesModel(PrimitiveModel):
    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, ir.VectorType(FLOAT, lanes.width))


@register_default(Registers)
class _RegistersModel(PrimitiveModel):
    def __init__(self, manager, registers):
        vector = ir.VectorType(FLOAT, registers.width)
        super().__init__(manager, registers, ir.ArrayType(vector, registers.count).as_pointer())


def _pointer(context, builder, array_type, array, index, width):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.VectorType(FLOAT, width).as_pointer())


@intrinsic(prefer_literal=True)
def load(typing, array, index, width):
    """The `width` values of an array that start at an index."""

    def generate(context, builder, signature, arguments):
        lanes = signature.return_type.width
        pointer = _pointer(context, builder, signature.args[0], *arguments[:2], lanes)
        vector = builder.load(pointer)
        vector.align = BYTES_PER_FLOAT
        return vector

    # The constant stays in the signature: numba tells implementations apart by their arguments.
    return Lanes(width.literal_value)(array, types.intp, width), generate


@intrinsic(prefer_literal=True)
def store(typing, array, index, lanes):
    """Write lanes into an array, the first at an index."""

    def generate(context, builder, signature, arguments):
        array_type, _, stored = signature.args
        pointer = _pointer(context, builder, array_type, *arguments[:2], stored.width)
        builder.store(arguments[2], pointer).align = BYTES_PER_FLOAT
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@intrinsic(prefer_literal=True)
def broadcast(typing, value, width):
    """One float32 value in every lane."""

    def generate(context, builder, signature, arguments):
        lanes = signature.return_type.width
        vector = ir.VectorType(FLOAT, lanes)
        undefined = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(undefined, arguments[0], ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
        return builder.shuffle_vector(first, undefined, zeros)

    return Lanes(width.literal_value)(types.float32, width), generate


@intrinsic
def multiply_add(typing, a, b, c):
    """a * b + c."""

    def generate(context, builder, signature, arguments):
        product = builder.fmul(*arguments[:2], flags=CONTRACT)
        return builder.fadd(product, arguments[2], flags=CONTRACT)

    return a(a, a, a), generate


@intrinsic
def add(typing, a, b):
    """a + b."""

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments)

    return a(a, a), generate


@intrinsic
def larger(typing, a, b):
    """The larger of a and b; of the two, a where one is NaN."""

    def generate(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered(">", *reversed(arguments)), *reversed(arguments))

    return a(a, a), generate


@intrinsic
def unless_nan(typing, lanes, tested):
    """The lanes, NaN where `tested` is NaN."""

    def generate(context, builder, signature, arguments):
        lanes, tested = arguments
        return builder.select(builder.fcmp_unordered("uno", tested, tested), tested, lanes)

    return lanes(lanes, lanes), generate


@intrinsic
def where_equal(typing, a, b, yes, no):
    """Lanes of `yes` where a == b, of `no` elsewhere; NaN equals nothing."""

    def generate(context, builder, signature, arguments):
        equal = builder.fcmp_ordered("==", *arguments[:2])
        return builder.select(equal, *arguments[2:])

    return a(a, a, a, a), generate


@intrinsic
def where_at_most(typing, a, b, yes, no):
    """Lanes of `yes` where a <= b, of `no` elsewhere; NaN is at most nothing."""

    def generate(context, builder, signature, arguments):
        at_most = builder.fcmp_ordered("<=", *arguments[:2])
        return builder.select(at_most, *arguments[2:])

    return a(a, a, a, a), generate


@intrinsic(prefer_literal=True)
def registers(typing, count, width):
    """Space for `count` vectors: processor registers, as long as all indices are constant
    once loops are unrolled.
    """
    kind = Registers(count.literal_value, width.literal_value)

    def generate(context, builder, signature, arguments):
        return cgutils.alloca_once(builder, context.get_value_type(kind).pointee)

    return kind(count, width), generate


def _slot(builder, array, index):
    return builder.gep(array, [ir.Constant(index.type, 0), index])


@intrinsic
def get(typing, array, index):
    """A vector out of `registers`."""

    def generate(context, builder, signature, arguments):
        return builder.load(_slot(builder, *arguments))

    return Lanes(array.width)(array, types.intp), generate


@intrinsic
def put(typing, array, index, lanes):
    """A vector into `registers`."""

    def generate(context, builder, signature, arguments):
        builder.store(arguments[2], _slot(builder, *arguments[:2]))
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate
