using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A dictionary of features whose atoms belong to known attributes: A(p) = bias + sum of u_(i, a_i(p)) (Makelov et al. 2024).</summary>
/// <remarks>Codes are 1 for the value that each block of attributes has and 0 elsewhere; they are read from the batch's attributes.</remarks>
public sealed class SupervisedDictionary : nn.Module<Tensor, Tensor>, IDictionary
{
    [ComponentName(Name = "atoms")]
    private readonly Tensor rows;
    [ComponentName(Name = "bias")]
    private readonly Tensor offset;

    private SupervisedDictionary(IReadOnlyList<AttributeBlock> blocks, Tensor atoms, Tensor bias)
        : base(nameof(SupervisedDictionary))
    {
        Blocks = blocks;
        (rows, offset) = (atoms, bias);
        RegisterComponents();
    }

    /// <summary>The blocks, in the order of their features.</summary>
    public IReadOnlyList<AttributeBlock> Blocks { get; }

    /// <inheritdoc/>
    public Tensor Atoms => rows;

    /// <inheritdoc/>
    public Tensor Bias => offset;

    /// <summary>Fits a dictionary.</summary>
    /// <param name="activations">Activations (B, D).</param>
    /// <param name="attributes">Attribute values (B, A) int64.</param>
    /// <param name="blocks">Which attributes have features, alone or coupled.</param>
    /// <param name="method">How.</param>
    /// <exception cref="ArgumentException">A value lies outside its attribute's range, or an activation is not finite.</exception>
    public static SupervisedDictionary Fit(Tensor activations, Tensor attributes, IReadOnlyList<AttributeBlock> blocks, SupervisedMethod method = SupervisedMethod.LeastSquares)
    {
        ArgumentNullException.ThrowIfNull(blocks);
        var check = new TensorCheck(nameof(SupervisedDictionary));
        check.Floating(activations, nameof(activations), "B D");
        check.Integers(attributes, nameof(attributes), "B A");
        AutoencoderInput.Check(activations, activations.size(-1), nameof(SupervisedDictionary));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var design = AttributeCodes.Of(attributes, blocks, activations.dtype, activations.device);
        var (atoms, bias) = method == SupervisedMethod.Mean ? SupervisedFit.Means(activations, design) : SupervisedFit.LeastSquares(activations, design);
        return new(blocks, atoms.DetachFromDisposeScope(), bias.DetachFromDisposeScope());
    }

    /// <summary>Makes one from atoms (F, D) and bias (D) at hand, which it takes over.</summary>
    public static SupervisedDictionary FromAtoms(IReadOnlyList<AttributeBlock> blocks, Tensor atoms, Tensor bias)
    {
        ArgumentNullException.ThrowIfNull(blocks);
        var check = new TensorCheck(nameof(SupervisedDictionary));
        check.Floating(atoms, nameof(atoms), "F D");
        check.Floating(bias, nameof(bias), "D");
        var count = blocks.Sum(block => block.FeatureCount);
        if (atoms.dim() != 2 || atoms.size(0) != count || bias.dim() != 1 || bias.size(0) != atoms.size(1))
            throw new ArgumentException($"Blocks have {count} features; atoms are ({string.Join(", ", atoms.shape)}) and bias ({string.Join(", ", bias.shape)}).", nameof(atoms));
        return new(blocks, atoms.DetachFromDisposeScope(), bias.DetachFromDisposeScope());
    }

    /// <inheritdoc/>
    public Tensor Encode(ActivationBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Shapes.CheckInput(batch.Values, Atoms, Bias.size(0), nameof(SupervisedDictionary));
        return Encode(batch.Attributes ?? throw new ArgumentException($"{nameof(SupervisedDictionary)} reads attributes; the batch has none.", nameof(batch)));
    }

    /// <summary>Codes (B, F) of attribute values (B, A); the caller disposes them.</summary>
    public Tensor Encode(Tensor attributes) => AttributeCodes.Of(attributes, Blocks, Atoms.dtype, Atoms.device);

    /// <inheritdoc/>
    public Tensor Decode(Tensor codes)
    {
        Shapes.CheckInput(codes, Atoms, Atoms.size(0), nameof(SupervisedDictionary));
        new TensorCheck(nameof(SupervisedDictionary)).Floating(codes, nameof(codes), "B F");
        using var scope = NewDisposeScope();
        return (codes.mm(Atoms) + Bias).MoveToOuterDisposeScope();
    }

    /// <summary>The atom (B, D) that each row's values select in a block; the caller disposes it.</summary>
    public Tensor Selected(int block, Tensor attributes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(block);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(block, Blocks.Count);
        using var scope = NewDisposeScope();
        var start = Blocks.Take(block).Sum(earlier => earlier.FeatureCount);
        return Atoms.index_select(0, (AttributeCodes.Index(attributes, Blocks[block]) + start).to(Atoms.device)).MoveToOuterDisposeScope();
    }

    /// <summary>What attribute values (B, A) rebuild (B, D); the caller disposes it.</summary>
    public override Tensor forward(Tensor input)
    {
        using var codes = Encode(input);
        return Decode(codes);
    }

    internal SupervisedOptions Options => new() { ModelDim = Bias.size(0), Blocks = Blocks };

    internal static SupervisedDictionary Empty(SupervisedOptions options, ParameterFactory parameters)
    {
        using var scope = NewDisposeScope();
        var count = options.CountFeatures();
        return FromAtoms(
            options.Blocks,
            zeros([count, options.ModelDim], parameters.Dtype, parameters.Device),
            zeros([options.ModelDim], parameters.Dtype, parameters.Device));
    }
}
