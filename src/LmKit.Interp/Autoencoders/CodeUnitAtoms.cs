using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

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
