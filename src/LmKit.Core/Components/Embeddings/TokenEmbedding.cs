using System.ComponentModel.DataAnnotations;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The model's first step: x = dropout(norm(scale E[token] + P[position])), the table P only where learned positions are configured,
/// scale and norm only where the options ask for them.</summary>
/// <remarks>The norm is the one that the norm slot has for the model as a whole, so of the same kind and options as the model's last norm.</remarks>
public sealed class TokenEmbedding : nn.Module<Tensor, SequenceContext?, Tensor>, IEmbedding
{
    [ComponentName(Name = "word_embeddings")]
    private readonly EmbeddingTable words;
    [ComponentName(Name = "learned")]
    private readonly IPositionTable? positions;
    private readonly nn.IModule<Tensor, Tensor>? norm;
    private readonly Dropout dropout;
    private readonly double scale;

    /// <summary>Makes it for a model.</summary>
    public TokenEmbedding(TokenEmbeddingOptions options, LayerContext layer)
        : base(nameof(TokenEmbedding))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        scale = options.Scale;
        words = new EmbeddingTable(layer.VocabSize, layer);
        positions = layer.PositionTable();
        norm = options.HasNorm ? layer.Norm("norm") : null;
        dropout = layer.EmbeddingDropout();
        RegisterComponents();
    }

    /// <inheritdoc/>
    public Parameter Table => words.Weight;

    /// <inheritdoc/>
    public long? ContextLength => positions?.Count;

    /// <summary>Embeds tokens (B, L) as (B, L, D).</summary>
    /// <param name="tokens">Token ids, or soft rows (B, L, V) floating, of which softmax(rows) E stands for E[token].</param>
    /// <param name="context">Segments, and the <see cref="ICursorState"/> whose cursor learned positions count on from.</param>
    /// <exception cref="ArgumentException">A token id lies outside the vocabulary, or a position beyond the table.</exception>
    public override Tensor forward(Tensor tokens, SequenceContext? context)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        var check = new TensorCheck(nameof(TokenEmbedding));
        TensorCheck.CheckAlive(tokens, nameof(tokens), nameof(TokenEmbedding));
        var isSoft = TensorCheck.IsFloating(tokens.dtype);
        if (isSoft)
        {
            check.Bind("V", words.Count);
            check.AnyFloating(tokens, nameof(tokens), "B L V");
        }
        else
        {
            check.Integers(tokens, nameof(tokens), "B L");
        }
        if (context?.Segments is { } given)
            check.Integers(given, nameof(SequenceContext.Segments), "B L");
        ObjectDisposedException.ThrowIf(words.Weight.IsInvalid, this);
        if (tokens.device_type != words.Weight.device_type)
            throw new ArgumentException($"The model lies on {words.Weight.device}; got tokens on {tokens.device}. Move them with to().", nameof(tokens));
        using var scope = NewDisposeScope();
        if (context?.Segments is { } segments)
            tokens = isSoft ? tokens.masked_fill(segments.lt(0).unsqueeze(-1), 0) : tokens.masked_fill(segments.lt(0), 0L);
        var x = isSoft ? Mix(tokens) : Look(tokens);
        if (scale != 1)
            x *= full([], scale, x.dtype, x.device); // rounded to the model's dtype first, as Gemma's is
        if (positions is not null)
        {
            // Counted on a copy, so that a refused position leaves the state as it was.
            var state = context?.State as ICursorState;
            var cursor = state?.Cursor.Copy();
            var layout = SequenceLayout.Read(tokens.size(0), tokens.size(1), context?.Segments, cursor);
            x += positions.call(layout.PositionTensor(tokens.device));
            if (cursor is not null)
                state!.Cursor = cursor;
        }
        return dropout.call(norm?.call(x) ?? x).MoveToOuterDisposeScope();
    }

    private Tensor Mix(Tensor rows)
    {
        var table = words.Weight;
        return einsum("blv,vd->bld", rows.to(HalfPrecision.Wide(table.dtype)).softmax(-1).to(table.dtype), table);
    }

    private Tensor Look(Tensor tokens)
    {
        CheckRange(tokens);
        return words.call(tokens);
    }

    private void CheckRange(Tensor tokens)
    {
        // On an accelerator the check would stall the stream at every step; the native lookup reports there.
        if (tokens.device_type != DeviceType.CPU || tokens.numel() == 0)
            return;
        using var packed = tokens.contiguous();
        var index = 0L;
        foreach (var token in packed.data<long>())
        {
            if (token < 0 || token >= words.Count)
                throw new ArgumentException($"Token id {token} at row {index / tokens.size(1)}, column {index % tokens.size(1)} is outside the vocabulary of {words.Count}.", nameof(tokens));
            index++;
        }
    }
}

/// <summary>Options of the table of token vectors.</summary>
public sealed class TokenEmbeddingOptions
{
    /// <summary>Factor of the token vectors, rounded to the model's dtype before it multiplies (Gemma: sqrt(D)); a tied head is not scaled.
    /// Default 1.</summary>
    [Range(1e-6, 1e6)]
    public double Scale { get; set; } = 1;

    /// <summary>Whether a norm stands behind the embedding (BLOOM). Default false.</summary>
    public bool HasNorm { get; set; }
}

/// <summary>Core's embeddings as components.</summary>
public static class EmbeddingComponents
{
    /// <summary>The table of token vectors.</summary>
    public static readonly Kind<TokenEmbeddingOptions, IEmbedding> Token = Slots.Embedding.Define<TokenEmbeddingOptions>("token", (options, layer) => new TokenEmbedding(options, layer));

    /// <summary>Chooses the table of token vectors; the default.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddTokenEmbedding(this LanguageModelBuilder builder, Action<TokenEmbeddingOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Token, configure);
    }
}
