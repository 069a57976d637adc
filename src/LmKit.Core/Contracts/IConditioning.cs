using static TorchSharp.torch;

namespace LmKit;

/// <summary>What makes a model's condition from noise levels: (B) to (B, C).</summary>
/// <remarks>The model computes the condition once a call, from <see cref="SequenceContext.Level"/>, and hands it to its blocks in
/// <see cref="SequenceContext.Condition"/>. A level of one entry gives one condition for all rows. A conditioning derives from
/// <c>torch.nn.Module</c>, so that its parameters are found.</remarks>
public interface IConditioning : nn.IModule<Tensor, Tensor>
{
    /// <summary>Width C of the condition.</summary>
    long ConditionDim { get; }
}
