using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Checks the tensors of one call before any native operation: type, shape and device, with axes that have the same name equal.</summary>
/// <remarks>
/// A shape is written as in the documentation: <c>"B L D"</c>; a name is bound to the first size seen under it, a number is that size, <c>_</c> is any
/// size, and a leading <c>...</c> stands for any axes. All tensors of a call lie on the device of the first.
/// <code>
/// var check = new TensorCheck(nameof(SubsParameterization));
/// check.Floating(logits, nameof(logits), "B L V");
/// check.Integers(tokens, nameof(tokens), "B L");
/// </code>
/// A struct that lives for one call; it keeps at most twelve names.
/// </remarks>
internal ref struct TensorCheck(string component)
{
    private Bindings bound;
    private int count;
    private Device? device;
    private ScalarType? floating;

    /// <summary>Binds an axis name to a size that is known beforehand.</summary>
    internal void Bind(string axis, long size)
    {
        if (Find(axis) is var at && at < 0)
            bound[count++] = new Binding(axis, 0, axis.Length, size);
        else if (bound[at].Size != size)
            throw new ArgumentException($"{component} was given {axis} = {size}, but {axis} is {bound[at].Size}.");
    }

    /// <summary>The size bound to an axis name.</summary>
    internal readonly long this[string axis] => bound[Find(axis)].Size;

    /// <summary>A tensor of real floating-point numbers, of the same type as the call's other ones.</summary>
    /// <exception cref="ArgumentException">It is something else; names the component, the argument and both shapes.</exception>
    internal void Floating(Tensor tensor, string name, string shape)
    {
        AnyFloating(tensor, name, shape);
        floating ??= tensor.dtype;
        if (tensor.dtype != floating)
            throw new ArgumentException($"{component} takes {name} in the type of its other tensors, {floating}; got {tensor.dtype}. Convert it with to().", name);
    }

    /// <summary>A tensor of real floating-point numbers of any type.</summary>
    /// <inheritdoc cref="Floating"/>
    internal void AnyFloating(Tensor tensor, string name, string shape)
    {
        Alive(tensor, name);
        if (!IsFloating(tensor.dtype))
            Refuse(tensor, name, shape, "real floating-point numbers");
        Shape(tensor, name, shape, "real floating-point numbers");
    }

    /// <summary>A tensor of int64 indices.</summary>
    /// <inheritdoc cref="Floating"/>
    internal void Integers(Tensor tensor, string name, string shape) => Typed(tensor, name, shape, ScalarType.Int64);

    /// <summary>A tensor of truth values.</summary>
    /// <inheritdoc cref="Floating"/>
    internal void Truths(Tensor tensor, string name, string shape) => Typed(tensor, name, shape, ScalarType.Bool);

    /// <summary>A tensor of one given type.</summary>
    /// <inheritdoc cref="Floating"/>
    internal void Typed(Tensor tensor, string name, string shape, ScalarType type)
    {
        Alive(tensor, name);
        if (tensor.dtype != type)
            Refuse(tensor, name, shape, type.ToString());
        Shape(tensor, name, shape, type.ToString());
    }

    /// <summary>A tensor of any type.</summary>
    /// <inheritdoc cref="Floating"/>
    internal void Any(Tensor tensor, string name, string shape)
    {
        Alive(tensor, name);
        Shape(tensor, name, shape, "numbers");
    }

    /// <summary>Fails for null and for a disposed tensor.</summary>
    internal static void CheckAlive(Tensor tensor, string name, string component)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (tensor.IsInvalid)
            throw Disposed(name, component);
    }

    /// <summary>Fails for null, for a disposed tensor and for one on the meta device.</summary>
    internal static void CheckValues(Tensor tensor, string name, string component)
    {
        CheckAlive(tensor, name, component);
        if (tensor.device_type == DeviceType.META)
            throw new ArgumentException($"{component} takes {name} with values; got one on the meta device, which has none.", name);
    }

    private static ObjectDisposedException Disposed(string name, string component) => new(name, $"{component} was given {name}, which is disposed.");

    private readonly void Alive(Tensor tensor, string name) => CheckAlive(tensor, name, component);

    private void Shape(Tensor tensor, string name, string shape, string kind)
    {
        var rank = (int)tensor.dim();
        var anyLeading = shape.StartsWith("...", StringComparison.Ordinal);
        var axes = anyLeading ? shape.AsSpan(3).TrimStart() : shape;
        var wanted = axes.IsEmpty ? 0 : axes.Count(' ') + 1;
        if (anyLeading ? rank < wanted : rank != wanted)
            Refuse(tensor, name, shape, kind);
        var at = rank - wanted;
        foreach (var range in axes.Split(' '))
        {
            var axis = axes[range];
            var start = shape.Length - axes.Length + range.Start.Value;
            if (axis.IsEmpty)
                continue;
            var size = tensor.size(at++);
            if (axis is "_")
                continue;
            if (char.IsAsciiDigit(axis[0]))
            {
                if (size != long.Parse(axis, System.Globalization.CultureInfo.InvariantCulture))
                    Refuse(tensor, name, shape, kind);
                continue;
            }
            var found = Find(axis);
            if (found < 0)
                bound[count++] = new Binding(shape, start, axis.Length, size);
            else if (bound[found].Size != size)
                Refuse(tensor, name, shape, kind);
        }
        CheckValues(tensor, name, component);
        device ??= tensor.device;
        if (tensor.device_type != device.type || tensor.device_index != device.index)
            throw new ArgumentException($"{component} takes {name} on the device of its other tensors, {device}; got {tensor.device}. Move it with to().", name);
    }

    private readonly int Find(ReadOnlySpan<char> axis)
    {
        for (var at = 0; at < count; at++)
        {
            if (axis.SequenceEqual(bound[at].Axis))
                return at;
        }
        return -1;
    }

    private readonly void Refuse(Tensor tensor, string name, string shape, string kind)
    {
        var known = new List<string>();
        foreach (var axis in shape.Split(' '))
        {
            if (Find(axis) is var at and >= 0)
                known.Add($"{axis} = {bound[at].Size}");
        }
        throw new ArgumentException(
            $"{component} takes {name} ({shape.Replace(" ", ", ", StringComparison.Ordinal)}) of {kind}{(known.Count > 0 ? " with " + string.Join(", ", known) : "")}; got {tensor.dtype} ({string.Join(", ", tensor.shape)}).",
            name);
    }

    internal static bool IsFloating(ScalarType type) => type is ScalarType.Float32 or ScalarType.Float64 or ScalarType.Float16 or ScalarType.BFloat16;

    [System.Runtime.CompilerServices.InlineArray(12)]
    private struct Bindings
    {
        private Binding first;
    }

    // A name is a piece of the shape's text: checks run at every call and make no text of their own.
    private readonly record struct Binding(string Text, int Start, int Length, long Size)
    {
        internal ReadOnlySpan<char> Axis => Text.AsSpan(Start, Length);
    }
}
