using LmKit.Conformance;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>The golden data's model: embeddings, one attention, a head; it can be made to do packing wrong.</summary>
internal sealed class GoldenAttentionModel : nn.Module<Tensor, SequenceContext?, Tensor>, ILanguageModel
{
    private readonly Parameter E;
    private readonly Parameter Pos;
    private readonly Parameter Wq;
    private readonly Parameter Wk;
    private readonly Parameter Wv;
    private readonly Parameter Wo;
    private readonly Parameter Wlm;
    private readonly long heads;

    internal GoldenAttentionModel(GoldenCase golden)
        : base(nameof(GoldenAttentionModel))
    {
        (E, Pos, Wq, Wk, Wv, Wo, Wlm) = (Read("E"), Read("Pos"), Read("Wq"), Read("Wk"), Read("Wv"), Read("Wo"), Read("Wlm"));
        heads = golden.Options.Whole("heads");
        RegisterComponents();

        Parameter Read(string name) => new(golden.Tensor(name));
    }

    internal bool Leaks { get; set; }

    internal bool CountsOn { get; set; }

    public long VocabSize => E.size(0);

    public bool IsCausal => true;

    public MixerState NewState(long batch) => throw new NotSupportedException("The golden model is only trained.");

    public Tensor Logits(Tensor hidden) => nn.functional.linear(hidden, Wlm);

    public override Tensor forward(Tensor tokens, SequenceContext? context) => Logits(Hidden(tokens, context));

    public Tensor Hidden(Tensor tokens, SequenceContext? context = null)
    {
        using var scope = NewDisposeScope();
        var (batch, length) = (tokens.size(0), tokens.size(1));
        var segments = context?.Segments ?? zeros_like(tokens);
        var x = E[tokens] + Pos[Positions(segments)];
        var visible = ones(length, length, dtype: ScalarType.Bool).tril().unsqueeze(0);
        if (!Leaks)
            visible = visible.logical_and(segments.unsqueeze(2).eq(segments.unsqueeze(1)));
        var (q, k, v) = (Split(Wq), Split(Wk), Split(Wv));
        var scores = einsum("bhlp,bhmp->bhlm", q, k) / Math.Sqrt(q.size(-1));
        var a = scores.masked_fill(visible.logical_not().unsqueeze(1), double.NegativeInfinity).softmax(-1);
        var y = einsum("bhlm,bhmp->blhp", a, v).reshape(batch, length, -1);
        return (x + nn.functional.linear(y, Wo)).MoveToOuterDisposeScope();

        Tensor Split(Tensor weight) => nn.functional.linear(x, weight).view(batch, length, heads, -1).transpose(1, 2);
    }

    internal Tensor Positions(Tensor segments)
    {
        var (rows, length) = (segments.size(0), segments.size(1));
        var (given, positions) = (segments.contiguous().data<long>().ToArray(), new long[rows * length]);
        for (var index = 0; index < positions.Length; index++)
            positions[index] = index % length == 0 || (!CountsOn && given[index] != given[index - 1]) ? 0 : positions[index - 1] + 1;
        return tensor(positions, segments.shape);
    }
}
