using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

public static partial class MonarchMultiply
{
    private static Tensor Reference(Tensor x, Tensor first, Tensor second, Tensor? bias, long outFeatures)
    {
        using var scope = NewDisposeScope();
        var (blocks, middle, width) = (first.size(0), first.size(1), first.size(2)); // k, q, p
        var (outBlocks, outWidth, outMiddle) = (second.size(0), second.size(1), second.size(2)); // l, s, r
        var padding = (blocks * width) - x.size(-1);
        if (padding > 0)
            x = nn.functional.pad(x, [0, padding]);
        long rows = 1;
        for (var axis = 0; axis < x.dim() - 1; axis++)
            rows *= x.size(axis);
        var X = x.reshape(rows, blocks, width).transpose(0, 1); // (k, B, p)
        var y = bmm(X, first.transpose(1, 2)).transpose(0, 1); // (B, k, q)
        // A copy, since bmm takes up to four times as long on the view where blocks are small.
        var Y = y.reshape(rows, outMiddle, outBlocks).transpose(1, 2).contiguous(); // (B, l, r)
        var Z = bmm(Y.transpose(0, 1), second.transpose(1, 2)); // (l, B, s)
        var shape = x.shape;
        shape[^1] = outBlocks * outWidth;
        var product = Z.permute(1, 2, 0).reshape(shape);
        if (outFeatures < shape[^1])
            product = product.narrow(-1, 0, outFeatures);
        return (bias is null ? product : product + bias).MoveToOuterDisposeScope();
    }
}
