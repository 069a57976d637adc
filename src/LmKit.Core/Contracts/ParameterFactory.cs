using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Makes parameters that outlive every dispose scope, on one device, in one dtype, from one source of randomness.</summary>
/// <remarks>Values are drawn on the CPU, so a seed gives the same model on every device. Not thread-safe.</remarks>
public sealed class ParameterFactory
{
    private readonly Generator random;
    private bool initializes;
    private bool isFresh;
    private List<Parameter>? unfinished;

    /// <summary>Makes a factory.</summary>
    /// <param name="random">Source of randomness; not disposed.</param>
    /// <param name="dtype">Dtype of the parameters; float32 by default.</param>
    /// <param name="device">Where they live; the CPU by default.</param>
    /// <param name="initializes">False leaves contents undefined, for a model that a checkpoint fills.</param>
    public ParameterFactory(Generator random, ScalarType dtype = ScalarType.Float32, Device? device = null, bool initializes = true)
    {
        ArgumentNullException.ThrowIfNull(random);
        this.random = random;
        this.initializes = initializes;
        Dtype = dtype;
        Device = device ?? CPU;
    }

    internal Generator Random => random;

    /// <summary>What will fill the parameters that start without values, where it is known.</summary>
    internal ParameterFilling? Filling { get; init; }

    /// <summary>Dtype of the parameters.</summary>
    public ScalarType Dtype { get; }

    /// <summary>Where the parameters live.</summary>
    public Device Device { get; }

    /// <summary>The same factory in a dtype no narrower than float32, for parameters that half precision would ruin.</summary>
    public ParameterFactory AtLeastFloat32() =>
        Dtype is ScalarType.Float64 or ScalarType.Float32 || (Filling is { IsUniform: true } && !isFresh)
            ? this
            : new(random, ScalarType.Float32, Device, initializes) { unfinished = unfinished, Filling = Filling, isFresh = isFresh };

    /// <summary>A parameter drawn from N(0, std^2).</summary>
    public Parameter Normal(double std, params ReadOnlySpan<long> shape)
    {
        var sizes = shape.ToArray();
        return Make(sizes, () => randn(sizes, DrawDtype, generator: random).mul_(std));
    }

    /// <summary>A parameter drawn from U(low, high).</summary>
    public Parameter Uniform(double low, double high, params ReadOnlySpan<long> shape)
    {
        var sizes = shape.ToArray();
        return Make(sizes, () => rand(sizes, DrawDtype, generator: random).mul_(high - low).add_(low));
    }

    /// <summary>A parameter of one value.</summary>
    public Parameter Constant(double value, params ReadOnlySpan<long> shape)
    {
        var sizes = shape.ToArray();
        return Make(sizes, () => full(sizes, value, DrawDtype));
    }

    /// <summary>A parameter that starts as a copy of given values.</summary>
    /// <param name="values">Makes the values; not called when a checkpoint will fill the parameter.</param>
    /// <param name="shape">Their shape.</param>
    public Parameter From(Func<Generator, Tensor> values, params ReadOnlySpan<long> shape)
    {
        ArgumentNullException.ThrowIfNull(values);
        return Make(shape.ToArray(), () => values(random));
    }

    /// <summary>Builds a part that starts with initial values, though a checkpoint fills the rest.</summary>
    internal T Initializing<T>(bool fresh, Func<T> build)
    {
        var before = (initializes, isFresh);
        (initializes, isFresh) = (initializes || fresh, fresh);
        try
        {
            return build();
        }
        finally
        {
            (initializes, isFresh) = before;
        }
    }

    /// <summary>Builds something from this factory's parameters; when that fails, those already made are disposed.</summary>
    internal T Complete<T>(Func<T> build)
    {
        unfinished = [];
        try
        {
            return build();
        }
        catch
        {
            foreach (var parameter in unfinished)
                parameter.Dispose();
            throw;
        }
        finally
        {
            unfinished = null;
        }
    }

    private ScalarType DrawDtype => Dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

    private Parameter Make(long[] shape, Func<Tensor> draw)
    {
        if (!initializes)
            Filling?.Budget?.Charge(shape);
        using var scope = NewDisposeScope();
        using var trainable = is_inference_mode_enabled() ? inference_mode(false) : null; // else its writes would not be counted
        using var frozen = no_grad();
        var isLater = isFresh && Filling is not null;
        var values = initializes && !isLater ? draw().to(Dtype, Device).contiguous().clone()
            : Filling is { IsHollow: true } && !isLater ? empty([], Dtype, Device).expand(shape) // one number, whatever the shape
            : empty(shape, Dtype, Device);
        var parameter = new Parameter(values);
        parameter.DetachFromDisposeScope();
        unfinished?.Add(parameter);
        if (isLater)
            Filling!.Later(() => parameter.copy_(draw()));
        return parameter;
    }
}

/// <summary>What fills the parameters of a model that is built without values: a checkpoint, or another model's tensors.</summary>
internal sealed class ParameterFilling
{
    private readonly List<Action> later = [];

    /// <summary>What may be made in all; null for no limit.</summary>
    internal ParameterBudget? Budget { get; init; }

    /// <summary>Wrappers of this index and beyond start with values of their own; null for none.</summary>
    internal int? FreshFrom { get; init; }

    /// <summary>Whether parameters take no memory, since each gets another tensor's.</summary>
    internal bool IsHollow { get; init; }

    /// <summary>Whether all of them have one dtype, those too that are otherwise at least float32.</summary>
    internal bool IsUniform { get; init; }

    internal void Later(Action fill) => later.Add(fill);

    /// <summary>Gives fresh parameters their values, in the order in which they were made, once all others have theirs: an adapter may start from
    /// what it is put around.</summary>
    internal void Finish()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var fill in later)
            fill();
        later.Clear();
    }
}

/// <summary>What a configuration may ask for when the weights that will fill it are known: told before anything is allocated.</summary>
/// <remarks>Twice what the weights hold and a little more, so that a configuration which is only slightly wrong is built and compared
/// tensor by tensor; one that is far beyond is refused before it takes memory or time.</remarks>
/// <param name="source">The file of the weights, for errors.</param>
/// <param name="valueCount">Values that all its tensors hold.</param>
/// <param name="tensorCount">Its tensors.</param>
internal sealed class ParameterBudget(string source, long valueCount, long tensorCount)
{
    private const long MoreValues = 1 << 20;
    private const long MoreTensors = 256;

    private Int128 values;
    private long tensors;

    /// <summary>Takes a parameter of a shape into account.</summary>
    /// <exception cref="ConfigurationException">The configuration asks for far more than the weights hold.</exception>
    internal void Charge(long[] shape)
    {
        tensors++;
        if (shape.Any(size => size < 0))
            return; // whoever makes it says so
        var size = shape.Contains(0) ? 0 : shape.Aggregate((Int128)1, (product, axis) => product > long.MaxValue ? product : product * axis);
        values += size;
        if (values > (2 * (Int128)valueCount) + MoreValues)
            throw new ConfigurationException("$", $"it asks for a tensor ({string.Join(", ", shape)}), with which the model has at least {values} values; {source} holds {valueCount}. The two do not belong together");
        if (tensors > (2 * tensorCount) + MoreTensors)
            throw new ConfigurationException("$", $"it asks for more than {tensors - 1} tensors; {source} holds {tensorCount}. The two do not belong together");
    }
}
