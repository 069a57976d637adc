using System.Numerics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

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
