using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What a folder of adapters needs to know of one adapter.</summary>
internal interface ILoraAdapter
{
    int Rank { get; }

    double Alpha { get; }

    double Strength { get; set; }

    bool IsEnabled { get; set; }

    /// <summary>The options as they stand, of which only what can be set afterwards may have changed.</summary>
    LoraOptions Options { get; }

    /// <summary>Where changes that belong into the model's configuration are noted: the configuration's own options where there are some.</summary>
    LoraOptions Record { get; }

    /// <summary>The parameters with the endings of their names in a folder.</summary>
    IEnumerable<AdapterPart> Parts { get; }

    /// <summary>s at strength 1.</summary>
    double FullScale => Alpha / (Options.IsRankStabilized ? Math.Sqrt(Rank) : Rank);
}

/// <summary>A tensor of an adapter in a folder.</summary>
/// <param name="Ending">The ending of its name.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Read">Gives its values; a parameter itself, or a new tensor in the caller's dispose scope.</param>
/// <param name="Write">Takes over values.</param>
internal sealed record AdapterPart(string Ending, long[] Shape, Func<Tensor> Read, Action<Tensor> Write)
{
    /// <summary>A parameter as it is.</summary>
    internal static AdapterPart Of(string ending, Parameter value) => new(ending, value.shape, () => value, from => value.copy_(from));
}

/// <summary>The factors of a fresh adapter, A (R, I) and B (O, R).</summary>
internal static class LoraFactors
{
    private const double OrthogonalScale = 0.1;

    internal static (Parameter A, Parameter B) Make(LoraInitialization kind, double? deviation, int rank, long inFeatures, long outFeatures, ParameterFactory parameters)
    {
        if (deviation is not null && kind != LoraInitialization.Gaussian)
            throw new ArgumentException(FormattableString.Invariant($"{nameof(LoraOptions)}.{nameof(LoraOptions.InitializationDeviation)} = {deviation} belongs to a Gaussian start; {nameof(LoraOptions.Initialization)} is {kind}. Choose Gaussian, or leave the deviation out."), nameof(deviation));
        var bound = 1 / Math.Sqrt(inFeatures);
        return kind switch
        {
            LoraInitialization.KaimingUniform => (parameters.Uniform(-bound, bound, rank, inFeatures), parameters.Constant(0, outFeatures, rank)),
            LoraInitialization.Gaussian => (parameters.Normal(deviation ?? 1.0 / rank, rank, inFeatures), parameters.Constant(0, outFeatures, rank)),
            LoraInitialization.Orthogonal => Orthogonal(rank, inFeatures, outFeatures, parameters),
            _ => throw new ArgumentException($"{nameof(LoraOptions)}.{nameof(LoraOptions.Initialization)} = {kind} is not a start that adapters have.", nameof(kind)),
        };
    }

    // A = a P and B = b Q with P and Q the two halves of the rows of an orthogonal (R, R) matrix: P Q^T = 0, hence B A = 0.
    private static (Parameter A, Parameter B) Orthogonal(int rank, long inFeatures, long outFeatures, ParameterFactory parameters)
    {
        if (rank % 2 != 0)
            throw new ArgumentException($"{nameof(LoraOptions)}.{nameof(LoraOptions.Rank)} = {rank} is odd, and {nameof(LoraOptions.Initialization)} = {nameof(LoraInitialization.Orthogonal)} splits the rank in halves; choose an even rank.", nameof(rank));
        using var scope = NewDisposeScope();
        Tensor? second = null;
        var A = parameters.From(random => Half(0, random, inFeatures, keepOther: true).t(), rank, inFeatures);
        var B = parameters.From(random => Half(1, random, outFeatures, keepOther: false), outFeatures, rank);
        return (A, B);

        // (count, R): random mixtures of one half's rows.
        Tensor Half(int half, Generator random, long count, bool keepOther)
        {
            var rows = half == 0 ? linalg.qr(randn([rank, rank], ScalarType.Float64, generator: random)).Q : second!;
            if (keepOther)
                second = rows.narrow(0, rank / 2, rank / 2).clone().MoveToOuterDisposeScope();
            var mixture = randn([count, rank / 2], ScalarType.Float64, generator: random).mul_(OrthogonalScale);
            return mm(mixture, keepOther ? rows.narrow(0, 0, rank / 2) : rows);
        }
    }
}
