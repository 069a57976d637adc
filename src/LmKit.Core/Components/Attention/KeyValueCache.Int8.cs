using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

public sealed partial class KeyValueCache
{
    private bool IsCoarse => format == CacheFormat.EightBits;

    // What is written for new keys and values (B, Hkv, L, P), in the order of the buffers.
    private Tensor[] AsParts(Tensor k, Tensor v)
    {
        if (!IsCoarse)
            return [k, v];
        var (keys, values) = (Int8Codes.Encode(k), Int8Codes.Encode(v));
        return [keys.Codes, values.Codes, keys.Scales, values.Scales];
    }

    // Held keys (0) or values (1) in the numbers that attention computes in, in the caller's scope.
    private Tensor Read(int index, long count)
    {
        if (!IsCoarse)
            return buffers.Held(index, count);
        using var codes = buffers.Held(index, count);
        using var scales = buffers.Held(index + 2, count);
        return Int8Codes.Decode(codes, scales);
    }

    // New keys or values as the cache gives them back, with their gradient.
    private Tensor AsHeld(Tensor numbers) => IsCoarse ? Int8Codes.Round(numbers) : numbers;

    // The same as Extend takes in, so that a step and a longer call hold the same numbers.
    private void AppendCoarse(Tensor k, Tensor v, SequenceLayout layout, PositionEncoding? own)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var turned = k.transpose(1, 2);
        if (HoldsEncodedKeys)
            turned = own!.EncodeKeys(turned, layout.PositionTensor(k.device));
        Append(turned, v.transpose(1, 2), layout);
    }
}
