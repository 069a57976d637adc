using static TorchSharp.torch;

namespace LmKit;

public static partial class SelectiveScan
{
    private static Tensor Reference(Tensor dt, Tensor input, Tensor A, Tensor B, Tensor C, Tensor state)
    {
        var h = state; // (B, N, E)
        var outputs = new List<Tensor>();
        for (var t = 0L; t < dt.size(1); t++)
        {
            using var step = NewDisposeScope();
            var decay = (dt.select(1, t).unsqueeze(1) * A).exp();
            var next = decay * h + input.select(1, t).unsqueeze(1) * B.select(1, t).unsqueeze(2);
            outputs.Add((next * C.select(1, t).unsqueeze(2)).sum(1, keepdim: true).MoveToOuterDisposeScope()); // (B, 1, E)
            if (t > 0)
                h.Dispose();
            h = next.MoveToOuterDisposeScope();
        }
        return cat([.. outputs, h], 1);
    }
}
