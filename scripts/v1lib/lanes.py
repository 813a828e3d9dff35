"""Short float32 vectors ("lanes") inside numba kernels.

Whether the compiler turns a loop over channels into vector instructions depends on alias checks
and cost models; for the small fixed sizes of a convolution layer it mostly does not, at 3 to 10
times the cost. These functions state the vectors instead: `width` float32 values are loaded,
combined and stored as one LLVM vector, which every processor that LLVM knows can execute (in parts
where its registers are shorter). For compiled code only; `width` and `count` must be compile-time
constants (closure variables or literals), arrays flat float32. Indices are not checked.
"""

from functools import reduce

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


def _in_every_lane(builder, value, width):
    vector = ir.VectorType(FLOAT, width)
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    return builder.shuffle_vector(first, undefined, zeros)


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
        return _in_every_lane(builder, arguments[0], signature.return_type.width)

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


@intrinsic
def add_product(typing, array, index, a, b):
    """Add a * b to the values of an array, the first at an index."""

    def generate(context, builder, signature, arguments):
        array, index, a, b = arguments
        width = signature.args[2].width
        pointer = _pointer(context, builder, signature.args[0], array, index, width)
        product = builder.fmul(a, b, flags=CONTRACT)
        total = builder.fadd(product, builder.load(pointer, align=BYTES_PER_FLOAT), flags=CONTRACT)
        builder.store(total, pointer, align=BYTES_PER_FLOAT)
        return context.get_dummy_value()

    return types.void(array, types.intp, a, b), generate


@intrinsic
def total(typing, lanes):
    """The sum of the lanes, added one after the other."""

    def generate(context, builder, signature, arguments):
        (vector,) = arguments
        places = [ir.Constant(ir.IntType(32), i) for i in range(signature.args[0].width)]
        values = [builder.extract_element(vector, place) for place in places]
        return reduce(builder.fadd, values)

    return types.float32(lanes), generate


@intrinsic
def add_products(typing, sums, array, index, step, left, right):
    """Add products to all `registers`: 2 i and 2 i + 1 get array[index + i step] times the lanes
    `left` and `right`.
    """

    def generate(context, builder, signature, arguments):
        slots, array, index, step, *lanes = arguments
        data = context.make_array(signature.args[1])(context, builder, array).data
        for i in range(0, signature.args[0].count, 2):
            value = builder.load(builder.gep(data, [index]))
            value = _in_every_lane(builder, value, signature.args[0].width)
            for j, factor in enumerate(lanes):
                slot = _slot(builder, slots, ir.Constant(step.type, i + j))
                product = builder.fmul(value, factor, flags=CONTRACT)
                builder.store(builder.fadd(product, builder.load(slot), flags=CONTRACT), slot)
            index = builder.add(index, step)
        return context.get_dummy_value()

    return types.void(sums, array, types.intp, types.intp, left, right), generate


def _mapping(n_vectors):
    """An intrinsic (source, at, source_step, target, to, target_step, width) that reads vectors
    which start `source_step` apart and writes other ones `target_step` apart.

    `n_vectors` are read, as many as lanes if None. The function that it decorates has the
    arguments (builder, vectors) and returns those to be written.
    """

    def decorate(written):
        @intrinsic(prefer_literal=True)
        def copy(typing, source, at, source_step, target, to, target_step, width):
            lanes = width.literal_value

            def generate(context, builder, signature, arguments):
                source, at, source_step, target, to, target_step, _ = arguments
                vectors = []
                for _ in range(n_vectors or lanes):
                    pointer = _pointer(context, builder, signature.args[0], source, at, lanes)
                    vectors.append(builder.load(pointer, align=BYTES_PER_FLOAT))
                    at = builder.add(at, source_step)
                for vector in written(builder, vectors):
                    pointer = _pointer(context, builder, signature.args[3], target, to, lanes)
                    builder.store(vector, pointer, align=BYTES_PER_FLOAT)
                    to = builder.add(to, target_step)
                return context.get_dummy_value()

            places = (types.intp, types.intp)
            return types.void(source, *places, target, *places, width), generate

        copy.__doc__ = written.__doc__
        return copy

    return decorate


@_mapping(None)
def transpose(builder, vectors):
    """Copy a square of as many vectors as lanes, transposed: (source, at, source_step, target, to,
    target_step, width).

    To interleave both halves of a list of 2^n x 2^n values n times is to transpose it.
    """
    width = len(vectors)
    index = ir.VectorType(ir.IntType(32), width)
    halves = [
        ir.Constant(index, [first + i // 2 + i % 2 * width for i in range(width)])
        for first in (0, width // 2)
    ]
    for _ in range(width.bit_length() - 1):
        pairs = zip(vectors[: width // 2], vectors[width // 2 :], strict=True)
        vectors = [builder.shuffle_vector(a, b, half) for a, b in pairs for half in halves]
    return vectors


def linear_map(matrix):
    """A function of compiled code that multiplies a matrix of numbers with vectors: (source, at,
    source_step, target, to, target_step, width). No row may be zero.
    """

    @_mapping(len(matrix[0]))
    def product(builder, vectors):
        known = {}
        for row in matrix:
            # Many rows differ in the sign of their odd columns: both parts are computed once.
            even, odd = (
                [(float(c), i) for i, c in enumerate(row) if c and i % 2 == p] for p in (0, 1)
            )
            is_minus = bool(even and odd) and odd[-1][0] < 0
            odd = [(-c if is_minus else c, i) for c, i in odd]
            sums = [_weighted_sum(builder, vectors, part, known) for part in (even, odd) if part]
            combine = builder.fsub if is_minus else builder.fadd
            yield combine(*sums, flags=CONTRACT) if len(sums) == 2 else sums[0]

    return product


def _weighted_sum(builder, vectors, terms, known):
    """The sum of terms (weight, number of a vector); `known` ones are not computed again."""
    # What needs no multiplication comes first.
    terms = tuple(sorted(terms, key=lambda term: term[0] != 1))
    if terms not in known:
        kind, total = vectors[0].type, None
        for weight, i in terms:
            value = vectors[i]
            if weight != 1:
                weights = ir.Constant(kind, [weight] * kind.count)
                value = builder.fmul(value, weights, flags=CONTRACT)
            total = value if total is None else builder.fadd(total, value, flags=CONTRACT)
        known[terms] = total
    return known[terms]
