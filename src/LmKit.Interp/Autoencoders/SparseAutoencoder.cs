using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A dictionary of features that is learned: an encoder to sparse codes and a linear decoder.</summary>
/// <remarks>
/// <para>Encode and Decode take (B, D) and (B, F), or any leading axes. With a row normalisation, Encode takes raw activations and
/// Decode returns normalised ones; <see cref="Reconstruct(Tensor)"/> undoes it with each row's own factors.</para>
/// <para>Parameters bear SAELens's names: W_enc (D, F), W_dec (F, D), b_enc, b_dec. Not thread-safe while it is trained.</para>
/// </remarks>
public abstract partial class SparseAutoencoder : nn.Module<Tensor, Tensor>, IDictionary
{
    [ComponentName(Name = "W_enc")]
    private protected readonly Parameter encoder;
    [ComponentName(Name = "W_dec")]
    private protected readonly Parameter decoder;
    [ComponentName(Name = "b_enc")]
    private protected readonly Parameter? encoderBias;
    [ComponentName(Name = "b_dec")]
    private protected readonly Parameter decoderBias;
    private readonly CodeUnitAtoms atoms = new();

    private protected SparseAutoencoder(string name, SparseAutoencoderOptions options, ParameterFactory parameters, bool hasEncoderBias = true)
        : base(name)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(parameters);
        options.Check();
        Options = options;
        (encoder, decoder) = AutoencoderStart.Make(options, parameters);
        encoderBias = hasEncoderBias ? parameters.Constant(0, options.FeatureCount) : null;
        decoderBias = parameters.Constant(0, options.ModelDim);
    }

    /// <summary>The options it was made from.</summary>
    public SparseAutoencoderOptions Options { get; }

    /// <summary>Width D.</summary>
    public long ModelDim => decoder.size(1);

    /// <summary>Features F.</summary>
    public long FeatureCount => decoder.size(0);

    /// <inheritdoc/>
    public Tensor Atoms => CodesAreNormScaled ? atoms.Of(decoder) : decoder;

    /// <inheritdoc/>
    public Tensor Bias => decoderBias;

    /// <summary>Whether codes are multiplied by the norms of their decoder rows, so that Atoms are those rows at norm 1.</summary>
    public virtual bool CodesAreNormScaled => false;

    /// <inheritdoc/>
    public Tensor Encode(ActivationBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return Encode(batch.Values);
    }

    /// <summary>Codes (..., F) of raw activations (..., D); the caller disposes them.</summary>
    /// <exception cref="ArgumentException">The width is wrong or a row is not finite; names both.</exception>
    public Tensor Encode(Tensor activations)
    {
        CheckInput(activations);
        using var scope = NewDisposeScope();
        var shape = activations.shape;
        shape[^1] = FeatureCount;
        var rows = RowScaling.Of(AutoencoderInput.Flat(activations), Options.InputNormalization);
        return Activate(Centre(rows), rows.Values).Codes.reshape(shape).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Decode(Tensor codes)
    {
        Shapes.CheckInput(codes, decoder, FeatureCount, GetName());
        using var scope = NewDisposeScope();
        var shape = codes.shape;
        shape[^1] = ModelDim;
        return DecodeRows(AutoencoderInput.Flat(codes), FeatureCount).reshape(shape).MoveToOuterDisposeScope();
    }

    /// <summary>Runs a batch (B, D) and keeps everything that a loss needs; the caller disposes it.</summary>
    public AutoencoderPass Run(Tensor activations)
    {
        CheckInput(activations);
        new TensorCheck(GetName()).Floating(activations, nameof(activations), "B D");
        using var scope = NewDisposeScope();
        var rows = RowScaling.Of(activations, Options.InputNormalization);
        var centred = Centre(rows);
        var features = Activate(centred, rows.Values);
        var reconstruction = DecodeRows(features.Codes, FeatureCount);
        return new AutoencoderPass(activations, rows, centred, features, reconstruction, rows.Undo(reconstruction)).MoveOut();
    }

    /// <summary>Raw activations (B, D) rebuilt from their own codes; the caller disposes them.</summary>
    public Tensor Reconstruct(Tensor activations) => call(activations);

    /// <summary>Raw activations (..., D) rebuilt from codes (..., F) of theirs that may have been edited, with each row's own factors.</summary>
    public Tensor Reconstruct(Tensor activations, Tensor codes)
    {
        CheckInput(activations);
        Shapes.CheckInput(codes, decoder, FeatureCount, GetName());
        if (!codes.shape.AsSpan()[..^1].SequenceEqual(activations.shape.AsSpan()[..^1]))
            throw new ArgumentException($"Codes ({string.Join(", ", codes.shape)}) and activations ({string.Join(", ", activations.shape)}) have the same rows.", nameof(codes));
        using var scope = NewDisposeScope();
        var rows = RowScaling.Of(AutoencoderInput.Flat(activations), Options.InputNormalization);
        return rows.Undo(DecodeRows(AutoencoderInput.Flat(codes), FeatureCount)).reshape(activations.shape).MoveToOuterDisposeScope();
    }

    /// <summary>The training loss of a run.</summary>
    /// <param name="pass">The run.</param>
    /// <param name="dead">Which features (F, bool) are dead; null for none.</param>
    /// <param name="gradients">Gradients (B, D) of a task's metric at the activations, where the loss has attribution terms.</param>
    public AutoencoderLoss Loss(AutoencoderPass pass, Tensor? dead = null, Tensor? gradients = null)
    {
        ArgumentNullException.ThrowIfNull(pass);
        using var scope = NewDisposeScope();
        var terms = new LossTerms { ["reconstruction"] = SquaredError.Of(pass, Options.Reconstruction) };
        AddTerms(terms, pass, dead, gradients);
        if (Options.AfaCoefficient > 0)
            terms["afa"] = AfaLoss.Of(pass, AfaNorms(pass)) * Options.AfaCoefficient;
        if (Options.AuxiliaryCoefficient > 0)
            terms["aux"] = AuxiliaryLoss.Of(this, pass, dead) * Options.AuxiliaryCoefficient;
        return terms.Sum();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input)
    {
        CheckInput(input);
        using var scope = NewDisposeScope();
        var pass = Run(AutoencoderInput.Flat(input));
        return pass.Output.reshape(input.shape).MoveToOuterDisposeScope();
    }

    /// <summary>Folds a scale into the weights: a dictionary trained on scaled activations then takes and returns raw ones.</summary>
    public void Fold(ActivationScale scale)
    {
        ArgumentNullException.ThrowIfNull(scale);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        if (scale.Mean is not null && !Options.SubtractsDecoderBias)
            (encoderBias ?? throw new InvalidOperationException($"{GetName()} has no encoder bias that could take the mean of the scale.")).sub_(encoder.t().mv(scale.Mean) * scale.Factor);
        encoder.mul_(scale.Factor);
        decoder.div_(scale.Factor);
        decoderBias.div_(scale.Factor);
        if (scale.Mean is not null)
            decoderBias.add_(scale.Mean);
        FoldIntoThreshold(scale.Factor);
    }

    /// <summary>Moves the decoder rows' norms into the encoder, for inference: rows get norm 1 and codes grow by the old norms.</summary>
    /// <exception cref="InvalidOperationException">The kind selects features by values that this would change.</exception>
    public void FoldDecoderNorms()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var norms = DecoderNorms();
        FoldNorms(norms);
        encoder.mul_(norms);
        encoderBias?.mul_(norms);
        decoder.div_(norms.unsqueeze(1));
    }

    /// <summary>Tells a kind that keeps a threshold for inference of the codes (B, F) of a training batch; the others ignore it.</summary>
    public virtual void UpdateThreshold(Tensor codes)
    {
    }

    // In the weights' type and on their device, finite.
    private void CheckInput(Tensor activations)
    {
        Shapes.CheckInput(activations, decoder, ModelDim, GetName());
        AutoencoderInput.Check(activations, ModelDim, GetName());
    }

    internal Tensor DecoderWeight => decoder;

    internal Tensor DecoderNorms() => decoder.norm(1);

    /// <summary>Decodes the first <paramref name="width"/> features of codes, in normalised units.</summary>
    internal Tensor DecodeRows(Tensor codes, long width)
    {
        var rows = decoder.narrow(0, 0, width);
        var kept = codes.narrow(1, 0, width);
        return (CodesAreNormScaled ? kept / rows.norm(1) : kept).mm(rows) + decoderBias;
    }

    /// <summary>What the norms of codes (B) should be, for the AFA term.</summary>
    private protected virtual Tensor AfaNorms(AutoencoderPass pass) => HalfPrecision.Widen(pass.Normalized).norm(1);

    private protected abstract FeatureActivations Activate(Tensor centred, Tensor normalized);

    private protected virtual void AddTerms(LossTerms terms, AutoencoderPass pass, Tensor? dead, Tensor? gradients) =>
        AddPenalty(terms, pass);

    /// <summary>Adds lambda x mean sum of codes, by default.</summary>
    private protected void AddPenalty(LossTerms terms, AutoencoderPass pass)
    {
        if (Options.SparsityCoefficient <= 0)
            return;
        var codes = pass.Codes;
        terms["l1"] = pass.Features.Kept is { } kept
            ? kept.Values.sum() / kept.Places.RowCount * Options.SparsityCoefficient
            : HalfPrecision.Widen(Options.PenaltyUsesDecoderNorm ? codes * DecoderNorms() : codes).sum(1).mean() * Options.SparsityCoefficient;
    }

    /// <summary>Adapts thresholds of codes that are measured in the decoder's units; none by default.</summary>
    private protected virtual void FoldIntoThreshold(double factor)
    {
    }

    /// <summary>Adapts what else the encoder holds to a multiplication of pre-activations by the norms, or refuses it.</summary>
    private protected virtual void FoldNorms(Tensor norms)
    {
    }

    /// <summary>The same dictionary as a JumpReLU one with one threshold for all features; codes keep their values.</summary>
    private protected JumpReluAutoencoder AsJumpRelu(double limit)
    {
        if (limit <= 0)
            throw new InvalidOperationException($"{GetName()} has no threshold yet; train it, or call UpdateThreshold with the codes of some batches.");
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(0);
        var jump = new JumpReluAutoencoder(
            new JumpReluOptions
            {
                ModelDim = ModelDim,
                FeatureCount = FeatureCount,
                InputNormalization = Options.InputNormalization,
                SubtractsDecoderBias = Options.SubtractsDecoderBias,
                InitialThreshold = limit,
            },
            new ParameterFactory(random, decoder.dtype, decoder.device, initializes: true));
        var norms = CodesAreNormScaled ? DecoderNorms() : ones_like(encoderBias!);
        var bias = Options.UsesEncoderBias ? encoderBias! * norms : zeros_like(norms);
        jump.Set(encoder * norms, decoder / norms.unsqueeze(1), bias, decoderBias);
        return jump;
    }

    private protected Tensor PreActivations(Tensor centred)
    {
        var pre = centred.mm(encoder); // (B, F)
        return Options.UsesEncoderBias && encoderBias is not null ? pre + encoderBias : pre;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            atoms.Dispose();
        base.Dispose(disposing);
    }

    private Tensor Centre(RowScaling rows) => Options.SubtractsDecoderBias ? rows.Values - decoderBias : rows.Values;
}

/// <summary>Decoder rows at norm 1, kept in one tensor that is refreshed at every look.</summary>
internal sealed class CodeUnitAtoms : IDisposable
{
    private Tensor? rows;

    internal Tensor Of(Tensor decoder)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var unit = decoder / decoder.norm(1, keepdim: true);
        if (rows is null || rows.dtype != unit.dtype || rows.device_type != unit.device_type || rows.device_index != unit.device_index)
        {
            rows?.Dispose();
            rows = unit.DetachFromDisposeScope();
        }
        else
        {
            rows.copy_(unit);
        }
        return rows;
    }

    public void Dispose() => rows?.Dispose();
}
