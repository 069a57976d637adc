using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>A model that gives the same logits after every text, so that the draw alone decides what comes.</summary>
internal sealed class FixedModel : nn.Module<Tensor, SequenceContext?, Tensor>, ILanguageModel
{
    private readonly double[] logits;

    internal FixedModel(params double[] logits)
        : base(nameof(FixedModel)) => this.logits = logits;

    /// <summary>Over bytes: the letters a to z have these logits, everything else is out of reach.</summary>
    internal static FixedModel OfLetters(params double[] letters) =>
        new([.. Enumerable.Range(0, 256).Select(id => id >= 'a' && id < 'a' + letters.Length ? letters[id - 'a'] : -60)]);

    internal double[] Values => logits;

    /// <summary>What <see cref="ILanguageModel.CreateSampler"/> gives; null for plain next-token sampling.</summary>
    internal Func<ILanguageModel, ISampler>? Configured { get; init; }

    /// <summary>Run before every step.</summary>
    internal Action? OnStep { get; set; }

    public long VocabSize => logits.Length;

    public bool IsCausal => true;

    public long? ContextLength { get; init; }

    public ISampler CreateSampler() => Configured?.Invoke(this) ?? new AutoregressiveSampler(this);

    public MixerState NewState(long batch) => new NoState();

    public Tensor Hidden(Tensor tokens, SequenceContext? context = null)
    {
        OnStep?.Invoke();
        return ones(tokens.size(0), tokens.size(1), 1);
    }

    public Tensor Logits(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        long[] shape = [.. hidden.shape[..^1], logits.Length];
        return tensor(logits, dtype: ScalarType.Float32).expand(shape).clone().MoveToOuterDisposeScope();
    }

    public override Tensor forward(Tensor tokens, SequenceContext? context)
    {
        using var hidden = Hidden(tokens, context);
        return Logits(hidden);
    }

    private sealed class NoState : MixerState
    {
        public override IReadOnlyDictionary<string, Tensor> Tensors => new Dictionary<string, Tensor>();

        public override MixerState Fork(Tensor rows) => new NoState();

        public override void Restore(IReadOnlyDictionary<string, Tensor> tensors, long position) => Position = position;

        public override void Dispose()
        {
        }
    }
}
