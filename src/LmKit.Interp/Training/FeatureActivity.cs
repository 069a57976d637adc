using System.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How long each feature has been silent, counted in batches or in rows.</summary>
public sealed class FeatureActivity : IDisposable
{
    /// <summary>Makes it with every feature just active.</summary>
    public FeatureActivity(long featureCount, Device? device = null)
    {
        Shapes.CheckSize([featureCount], nameof(featureCount));
        Silence = zeros([featureCount], ScalarType.Int64, device).DetachFromDisposeScope();
    }

    /// <summary>Silence (F) int64 since the last positive code; owned by this object, and may be restored by copying into it.</summary>
    public Tensor Silence { get; }

    /// <summary>Counts a batch of codes (B, F).</summary>
    /// <param name="codes">Its codes.</param>
    /// <param name="amount">What silence grows by: 1 for batches, B for rows.</param>
    public void Update(Tensor codes, long amount = 1)
    {
        var check = new TensorCheck(nameof(FeatureActivity));
        check.Bind("F", Silence.size(0));
        check.AnyFloating(codes, nameof(codes), "B F");
        if (codes.device_type != Silence.device_type)
            throw new ArgumentException($"{nameof(FeatureActivity)} lies on {Silence.device}; got codes on {codes.device}.", nameof(codes));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        Silence.add_(amount);
        Silence.masked_fill_(codes.gt(0).any(0), 0);
    }

    /// <summary>Counts a batch by what it <paramref name="fired"/> (F, bool).</summary>
    internal void Count(Tensor fired)
    {
        using var frozen = no_grad();
        Silence.add_(1);
        Silence.masked_fill_(fired, 0);
    }

    /// <summary>Which features (F, bool) have been silent for at least a horizon; the caller disposes it.</summary>
    public Tensor Dead(long horizon) => Silence.ge(horizon);

    /// <inheritdoc/>
    public void Dispose() => Silence.Dispose();
}

/// <summary>What a batch's codes say about activity: which features fired, and how many in a row on average.</summary>
internal static class CodeActivity
{
    /// <summary>The features (F, bool) with a positive code, in the caller's scope, and the mean number of positive codes in a row.</summary>
    internal static (Tensor Fired, double Active) Of(AutoencoderPass pass)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var (fired, total) = pass.Features.Kept is { } kept ? OfList(kept) : OfAll(pass.Codes.detach().gt(0));
        return (fired.MoveToOuterDisposeScope(), (double)total / pass.Codes.size(0));
    }

    private static (Tensor Fired, long Total) OfList(KeptCodes kept)
    {
        var fired = new bool[kept.Places.FeatureCount];
        var total = 0L;
        using var values = new TensorMemory<float>(kept.Values.detach().contiguous(), nameof(kept));
        for (var entry = 0; entry < kept.Places.Count; entry++)
        {
            if (values.Span(entry, 1)[0] <= 0)
                continue;
            fired[kept.Places.Features[entry]] = true;
            total++;
        }
        return (tensor(fired), total);
    }

    private static unsafe (Tensor Fired, long Total) OfAll(Tensor positive)
    {
        if (positive.device_type != DeviceType.CPU || positive.numel() == 0)
            return (positive.any(0), positive.sum().item<long>());
        var (rows, width) = (positive.size(0), (int)positive.size(1));
        var contiguous = positive.contiguous();
        var start = (byte*)TensorAddress.Of(contiguous);
        var any = new byte[width];
        var total = 0L;
        for (var row = 0L; row < rows; row++)
        {
            var flags = new ReadOnlySpan<byte>(start + (row * width), width);
            total += flags.Count((byte)1);
            var at = 0;
            for (; at <= width - Vector<byte>.Count; at += Vector<byte>.Count)
                (new Vector<byte>(flags[at..]) | new Vector<byte>(any, at)).CopyTo(any, at);
            for (; at < width; at++)
                any[at] |= flags[at];
        }
        GC.KeepAlive(contiguous);
        return (tensor(any).to(ScalarType.Bool), total);
    }
}
