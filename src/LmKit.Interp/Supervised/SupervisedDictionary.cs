using System.ComponentModel.DataAnnotations;
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
        return new(
            options.Blocks,
            zeros([count, options.ModelDim], parameters.Dtype, parameters.Device).DetachFromDisposeScope(),
            zeros([options.ModelDim], parameters.Dtype, parameters.Device).DetachFromDisposeScope());
    }
}

/// <summary>Options of a supervised dictionary.</summary>
public sealed class SupervisedOptions
{
    /// <summary>Width D of the activations. 0, the default, stands for the model's where a model's configuration names the dictionary;
    /// otherwise it must be given.</summary>
    [Range(0L, long.MaxValue)]
    public long ModelDim { get; set; }

    /// <summary>The blocks, in the order of their features. Default none.</summary>
    public IReadOnlyList<AttributeBlock> Blocks { get; set; } = [];

    /// <summary>A copy for a place, with its width.</summary>
    internal SupervisedOptions For(DictionarySite site) => new() { ModelDim = site.Width(nameof(SupervisedOptions), ModelDim), Blocks = Blocks };

    /// <summary>Features of all blocks; fails by name on a block that cannot be.</summary>
    internal long CountFeatures()
    {
        var count = 0L;
        foreach (var block in Blocks)
        {
            if (block.Columns.Count != block.Sizes.Count || block.Sizes.Any(size => size < 1))
                throw new ArgumentException($"{nameof(SupervisedOptions)}.{nameof(Blocks)} = '{block.Name}' has {block.Columns.Count} columns and the sizes {string.Join(", ", block.Sizes.Take(8))}; one size of at least 1 belongs to each column.");
            try
            {
                count = checked(count + block.Sizes.Aggregate(1L, (product, size) => checked(product * size)));
            }
            catch (OverflowException error)
            {
                throw new ArgumentException($"{nameof(SupervisedOptions)}.{nameof(Blocks)} = '{block.Name}' has more features than can be counted.", error);
            }
        }
        return count;
    }
}

/// <summary>How a supervised dictionary finds its codes.</summary>
public enum SupervisedMethod
{
    /// <summary>Mean activation of a value less the mean of all; right when attributes are independent and balanced.</summary>
    Mean,

    /// <summary>Least squares on all values together.</summary>
    LeastSquares,
}

/// <summary>The two ways to find supervised atoms, from one-hot codes (B, F).</summary>
internal static class SupervisedFit
{
    // Every block sums to the bias column, so the design never has full rank: small singular values are cut off.
    private const double RelativeCutoff = 1e-10;

    internal static (Tensor Atoms, Tensor Bias) Means(Tensor activations, Tensor codes)
    {
        var dtype = activations.dtype;
        (activations, codes) = (HalfPrecision.Widen(activations), HalfPrecision.Widen(codes)); // half precision cannot count the rows of a value
        var bias = activations.mean([0L]);
        var counts = codes.sum([0L]).unsqueeze(1);
        var means = codes.t().mm(activations) / counts.clamp_min(1) - bias;
        return (where(counts.gt(0), means, zeros_like(means)).to(dtype), bias.to(dtype));
    }

    internal static (Tensor Atoms, Tensor Bias) LeastSquares(Tensor activations, Tensor codes)
    {
        var design = cat([ones([codes.size(0), 1], codes.dtype, codes.device), codes], 1).to(ScalarType.Float64);
        var (u, s, vh) = linalg.svd(design, fullMatrices: false);
        var inverse = where(s.gt(s.max() * RelativeCutoff), 1 / s, zeros_like(s));
        var solution = (vh.t() * inverse).mm(u.t().mm(activations.to(ScalarType.Float64))).to(activations.dtype);
        return (solution.narrow(0, 1, codes.size(1)).clone(), solution[0].clone());
    }
}
