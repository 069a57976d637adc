using static TorchSharp.torch;

namespace LmKit;

/// <summary>Pre-activations of centred inputs that ask for no gradient: (x - b_dec) W_enc + b_enc.</summary>
/// <remarks>The decoder bias's gradient is the sum over rows of -dp W_enc^T, which needs the sum of dp only: a product with a vector in
/// place of one with a matrix.</remarks>
internal static class CentredEncoding
{
    /// <summary>The pre-activations (B, F).</summary>
    /// <param name="centred">x - b_dec (B, D), as values.</param>
    /// <param name="encoder">W_enc (D, F).</param>
    /// <param name="encoderBias">b_enc (F), or null.</param>
    /// <param name="decoderBias">b_dec (D), or null where it was not subtracted.</param>
    internal static Tensor Of(Tensor centred, Tensor encoder, Tensor? encoderBias, Tensor? decoderBias)
    {
        var inputs = new List<Tensor> { centred.detach(), encoder };
        var (biasAt, centreAt) = (Add(encoderBias), Add(decoderBias));
        return KernelFunction.Run(inputs, Forward, Backward);

        int Add(Tensor? tensor)
        {
            if (tensor is null)
                return -1;
            inputs.Add(tensor);
            return inputs.Count - 1;
        }

        Tensor Forward()
        {
            var product = inputs[0].mm(encoder);
            return encoderBias is null ? product : product.add_(encoderBias);
        }

        IReadOnlyList<Tensor?> Backward(Tensor gradient, IReadOnlyList<Tensor> given)
        {
            var gradients = new Tensor?[given.Count];
            gradients[1] = given[1].requires_grad ? given[0].t().mm(gradient) : null;
            var sum = biasAt > 0 || centreAt > 0 ? gradient.sum([0L]) : null;
            if (centreAt > 0 && given[centreAt].requires_grad)
                gradients[centreAt] = given[1].detach().mv(sum!).neg_();
            if (biasAt > 0 && given[biasAt].requires_grad)
                gradients[biasAt] = sum;
            return gradients;
        }
    }
}
