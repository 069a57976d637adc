using System.Collections.Immutable;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The sizes of an H3 hybrid as published: what its checkpoint file says by shapes, and what it does not say.</summary>
/// <param name="Name">A name for reports.</param>
/// <param name="LayerCount">Layers.</param>
/// <param name="ModelDim">Width D.</param>
/// <param name="HeadCount">Heads of the attention layers; no file records them.</param>
/// <param name="AttentionLayers">The layers that are attention, from 0.</param>
/// <param name="RotaryDim">Features of each head that rotary turns; 0 for no positions.</param>
/// <param name="VocabSize">Vocabulary size; tables are padded.</param>
/// <param name="StateDim">State size N of the diagonal state spaces.</param>
/// <param name="ShiftDim">Taps of the shift state spaces.</param>
/// <param name="HeadDim">Width of an H3 head.</param>
/// <param name="MlpDim">Width of the feed-forward part; 0 for four times the model's.</param>
/// <param name="VocabMultiple">What the tables' rows are a multiple of.</param>
public sealed record H3Preset(
    string Name,
    int LayerCount,
    long ModelDim,
    int HeadCount,
    ImmutableArray<int> AttentionLayers,
    long RotaryDim = 0,
    long VocabSize = 50_257,
    long StateDim = 64,
    long ShiftDim = 64,
    long HeadDim = 1,
    long MlpDim = 0,
    long VocabMultiple = 8)
{
    /// <summary>H3-125M.</summary>
    public static H3Preset H125M { get; } = new("125M", 12, 768, 12, [6]);

    /// <summary>H3-355M.</summary>
    public static H3Preset H355M { get; } = new("355M", 24, 1024, 16, [8, 16]);

    /// <summary>H3-1.3B.</summary>
    public static H3Preset H1300M { get; } = new("1.3B", 24, 2048, 16, [8, 16]);

    /// <summary>H3-2.7B with three attention layers.</summary>
    public static H3Preset H2700M { get; } = new("2.7B-3attn", 32, 2560, 20, [8, 16, 24]);

    /// <summary>H3-2.7B with two attention layers under rotary positions.</summary>
    public static H3Preset H2700MRotary { get; } = new("2.7B-2attn-rotary", 32, 2560, 20, [10, 21], RotaryDim: 64);

    /// <summary>The published models.</summary>
    public static IReadOnlyList<H3Preset> All { get; } = [H125M, H355M, H1300M, H2700M, H2700MRotary];

    /// <summary>Rows of the embedding: the vocabulary rounded up to a multiple.</summary>
    public long PaddedVocabSize => (VocabSize + VocabMultiple - 1) / VocabMultiple * VocabMultiple;

    /// <summary>How many parameters the model has; the head is the embedding and counts once.</summary>
    public long ParameterCount => TensorShapes().Values.Sum(shape => shape.Aggregate(1L, (product, size) => product * size));

    /// <summary>The shape of each trained tensor by its published name.</summary>
    public IReadOnlyDictionary<string, long[]> TensorShapes()
    {
        var (d, n, heads, mlp) = (ModelDim, StateDim / 2, ModelDim / HeadDim, MlpDim > 0 ? MlpDim : 4 * ModelDim);
        var shapes = new SortedDictionary<string, long[]>(StringComparer.Ordinal) { ["backbone.embeddings.word_embeddings.weight"] = [PaddedVocabSize, d] };
        void Affine(string name, long rows, long columns) => (shapes[$"{name}.weight"], shapes[$"{name}.bias"]) = ([rows, columns], [rows]);
        void Norm(string name) => (shapes[$"{name}.weight"], shapes[$"{name}.bias"]) = ([d], [d]);
        Norm("backbone.ln_f");
        for (var layer = 0; layer < LayerCount; layer++)
        {
            var block = $"backbone.layers.{layer}";
            Norm($"{block}.norm1");
            Norm($"{block}.norm2");
            Affine($"{block}.mlp.fc1", mlp, d);
            Affine($"{block}.mlp.fc2", d, mlp);
            if (AttentionLayers.Contains(layer))
            {
                Affine($"{block}.mixer.Wqkv", 3 * d, d);
                Affine($"{block}.mixer.out_proj", d, d);
                continue;
            }
            foreach (var name in (string[])["q_proj", "k_proj", "v_proj", "output_linear"])
                Affine($"{block}.mixer.{name}", d, d);
            shapes[$"{block}.mixer.D"] = [heads];
            shapes[$"{block}.mixer.ssm_k_D"] = [d];
            shapes[$"{block}.mixer.ssm_k_kernel.kernel.B"] = [d, ShiftDim];
            shapes[$"{block}.mixer.ssm_k_kernel.kernel.C"] = [1, d, ShiftDim];
            shapes[$"{block}.mixer.kernel.kernel.C"] = [1, heads, n, 2];
            shapes[$"{block}.mixer.kernel.kernel.B"] = [heads, n, 2];
            shapes[$"{block}.mixer.kernel.kernel.log_dt"] = [heads];
            shapes[$"{block}.mixer.kernel.kernel.inv_A_real"] = [heads, n];
            shapes[$"{block}.mixer.kernel.kernel.A_imag"] = [heads, n];
        }
        return shapes;
    }

    /// <summary>A builder of this model; its weights are fresh ones.</summary>
    public LanguageModelBuilder CreateBuilder()
    {
        var builder = new LanguageModelBuilder { VocabSize = PaddedVocabSize, ModelDim = ModelDim, LayerCount = LayerCount };
        var recurrent = Enumerable.Range(0, LayerCount).Except(AttentionLayers).ToArray();
        if (recurrent.Length > 0)
            builder.AddH3(h3 => (h3.StateDim, h3.ShiftDim, h3.HeadDim) = (StateDim, ShiftDim, HeadDim), recurrent);
        if (AttentionLayers.Length > 0)
        {
            builder.AddAttention(attention => attention.HeadCount = HeadCount, [.. AttentionLayers]);
            if (RotaryDim > 0)
                builder.AddRotary(rotary => rotary.Dim = RotaryDim, [.. AttentionLayers]);
        }
        return builder.AddMlp(mlp => mlp.MlpDim = MlpDim);
    }
}

/// <summary>Keeps sampling inside a vocabulary whose tables are padded.</summary>
public static class PaddedVocabulary
{
    /// <summary>A filter that forbids the ids from a vocabulary's size on.</summary>
    /// <param name="vocabSize">The vocabulary's own size.</param>
    public static LogitFilter Hide(long vocabSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabSize, 1);
        return (logits, _, _) =>
        {
            new TensorCheck(nameof(PaddedVocabulary)).AnyFloating(logits, nameof(logits), "... V");
            using var scope = NewDisposeScope();
            var isPadding = arange(logits.size(-1), dtype: ScalarType.Int64, device: logits.device).ge(vocabSize);
            return logits.masked_fill(isPadding, double.NegativeInfinity).MoveToOuterDisposeScope();
        };
    }
}
