namespace LmKit.InstructionTuning;

/// <summary>Shares of the questions for which a model's reply has a property.</summary>
/// <param name="OnTopic">Its first sentence states something of the place asked about.</param>
/// <param name="NoQuestion">It asks nothing.</param>
/// <param name="Marker">It has the teacher's register.</param>
/// <param name="Good">On topic, states the asked fact correctly, asks nothing, and ends by itself.</param>
/// <param name="First">The first sentence already states the asked fact.</param>
/// <param name="Cloze">Share of statements, not replies, whose value the model completes correctly: what it still knows.</param>
public sealed record ProbeScores(double OnTopic, double NoQuestion, double Marker, double Good, double First, double Cloze);
